import { z } from "zod";
import type { WrittenLinear } from "../container.js";
import { beatBytes, codebookBeats, idBeats, type Ports, scaleWordBytes, tableBeats } from "./layout.js";
import { codebookPorts, portsOfLane, scalePort, tablePorts } from "./pack.js";
import type { LutLlmParameters } from "./parameters.js";
import { type Member, type Projection, projectionNames } from "./projections.js";

/* The files of a model's images and what the manifest says of each linear in them. */

export function fileOf(port: string): string {
  return `${port}.bin`;
}

/** One file a port. */
export function imageFiles(ports: Ports): readonly string[] {
  return [...tablePorts(ports), ...codebookPorts(ports), scalePort].map(fileOf);
}

const count = z.int().min(0);
const some = z.int().positive();

/** Where a linear lies in the images: its `layout` in the manifest. README.md says what each means. */
export const imagePlace = z.strictObject({
  ports: z.union([z.literal(16), z.literal(32)]),
  layer: count,
  projection: z.enum(projectionNames),
  projectionOutputs: some,
  projectionBlocks: some,
  firstOutput: count,
  outputRun: some,
  outputStride: some,
  outputsOfScale: some,
  beatBytes: some,
  firstBeat: count,
  tableBeats: some,
  idBeats: some,
  firstCodebookBeat: count,
  firstScaleWord: count,
});

export type ImagePlace = z.infer<typeof imagePlace>;

/** What the manifest says of every linear. Bytes that linears of a projection share count for its first one. */
export function writtenLinears(
  projections: readonly Projection[],
  parameters: LutLlmParameters,
): readonly WrittenLinear[] {
  const [firstTable] = imageFiles(parameters.ports);
  return projections.flatMap((projection) =>
    projection.members.map((member, i) => ({
      name: member.name,
      file: firstTable,
      bytes: ownBytes(member, projection) + (i === 0 ? sharedBytes(projection) : 0),
      layout: { ...placeOf(member, projection, parameters) },
    })),
  );
}

function placeOf(
  { firstOutput, outputRun, outputStride }: Member,
  projection: Projection,
  { ports }: LutLlmParameters,
): ImagePlace {
  const { layer, name, outputs, blocks, outputsOfScale } = projection;
  const { firstBeat, firstCodebookBeat, firstScaleWord } = projection;
  return {
    ...{ ports, layer, projection: name },
    ...{ projectionOutputs: outputs, projectionBlocks: blocks },
    ...{ firstOutput, outputRun, outputStride, outputsOfScale },
    beatBytes: beatBytes / portsOfLane(ports),
    ...{ firstBeat, tableBeats: tableBeats(projection), idBeats: idBeats(projection) },
    ...{ firstCodebookBeat, firstScaleWord },
  };
}

/** Ids, two a byte, and words of scale and bias. */
function ownBytes({ weight }: Member, { positions }: Projection): number {
  return (positions * weight.rows) / 2 + weight.table.scales * scaleWordBytes;
}

/** Tables and codebooks. */
function sharedBytes(projection: Projection): number {
  const { positions } = projection;
  return positions * tableBeats(projection) * beatBytes + 2 * codebookBeats(positions) * beatBytes;
}
