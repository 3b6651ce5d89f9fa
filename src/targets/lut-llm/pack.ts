import { positionsOf } from "../../schemes/vectors.js";
import type { TensorBytes, Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";
import {
  beatBytes,
  codebookBeats,
  codebookLanes,
  fromPorts,
  lanes,
  type Ports,
  packCodebooks,
  packPosition,
  packScales,
  positionBytes,
  type Stream,
  scaleWordBytes,
  tableEntries,
  toPorts,
  unpackCodebooks,
  unpackPosition,
  unpackScales,
} from "./layout.js";
import { type TabledOutline, type TabledScheme, unsoundNumber } from "./tabled.js";

/*
 * One linear as if it were a projection of its own: what each port streams of it, one tensor a port. In the images of a
 * whole model (container.ts) the same ids, entries and codebooks lie among those of the linears beside it.
 */

/** Ports of tables and ids, in the order of lanes; two neighbours a lane when a lane has two ports. */
export function tablePorts(ports: Ports): readonly string[] {
  return Array.from({ length: ports }, (_, port) => `tables.${String(port).padStart(2, "0")}`);
}

/** Ports of the input's codebooks. */
export function codebookPorts(ports: Ports): readonly string[] {
  return Array.from({ length: codebookLanes * portsOfLane(ports) }, (_, port) => `codebooks.${port}`);
}

/** The one port of scales and biases. */
export const scalePort = "scales";

export function portsOfLane(ports: Ports): number {
  return ports / lanes;
}

/** The memories of one linear: `[beats, bytes of a beat on a port]` each, `[scales, 8]` of scales. */
export function packWeight(weight: TabledScheme, ports: Ports): Tensors {
  const stream = streamOf(weight);
  const bytes = positionBytes(stream);
  const rows = positionsOf(weight) / lanes;
  const names = [...tablePorts(ports), ...codebookPorts(ports)];
  const lanesOfBeats = Array.from({ length: lanes }, (_, lane) => {
    const beats = new Uint8Array(rows * bytes);
    for (let row = 0; row < rows; row++) {
      const position = positionOf(weight, row * lanes + lane);
      packPosition(position, stream, beats.subarray(row * bytes, (row + 1) * bytes));
    }
    return beats;
  });
  const { scales, biases } = weight.products;
  const images = [...lanesOfBeats, ...packCodebooks(weight.inputCodebooks)].flatMap((beats) =>
    toPorts(beats, ports),
  );
  const width = beatBytes / portsOfLane(ports);
  return {
    ...Object.fromEntries(images.map((image, i) => [names[i], words(image, width)])),
    [scalePort]: words(packScales(scales, biases), scaleWordBytes),
  };
}

/** @throws LuthierError when a tensor is missing or short, or holds what is never packed. */
export function unpackWeight(tensors: Tensors, outline: TabledOutline, ports: Ports): TabledScheme {
  const stream = streamOf(outline);
  const positions = positionsOf(outline);
  const perLane = portsOfLane(ports);
  const bytes = positionBytes(stream);
  const tablesOfPort = tablePorts(ports);
  const codebooksOfPort = codebookPorts(ports);
  const lane = (names: readonly string[], at: number, beats: number) =>
    fromPorts(
      names
        .slice(at * perLane, (at + 1) * perLane)
        .map((name) => tensorOf(tensors, name, "U8", [beats, beatBytes / perLane]).bytes),
    );
  const lanesOfBeats = Array.from({ length: lanes }, (_, at) =>
    lane(tablesOfPort, at, ((positions / lanes) * bytes) / beatBytes),
  );
  const ids = new Uint8Array(positions * outline.rows);
  const entries = new Uint8Array(positions * outline.blocks * tableEntries);
  for (const [at, beats] of lanesOfBeats.entries()) {
    for (let row = 0; row < positions / lanes; row++) {
      const position = row * lanes + at;
      const found = unpackPosition(beats.subarray(row * bytes, (row + 1) * bytes), stream);
      if (found === null) throw damagedPack(`the ids of position ${position} go on beyond its outputs`);
      ids.set(found.ids, position * outline.rows);
      entries.set(found.tables, position * outline.blocks * tableEntries);
    }
  }
  const codebookLanesOfBeats = Array.from({ length: codebookLanes }, (_, at) =>
    lane(codebooksOfPort, at, codebookBeats(positions)),
  );
  const scales = tensorOf(tensors, scalePort, "U8", [outline.table.scales, scaleWordBytes]);
  return soundScheme({
    ...outline,
    ids,
    codebooks: null,
    inputCodebooks: unpackCodebooks(codebookLanesOfBeats, positions),
    products: { entries, ...unpackScales(scales.bytes) },
  });
}

/** @throws LuthierError when its numbers make no finite outputs. */
export function soundScheme(weight: TabledScheme): TabledScheme {
  const unsound = unsoundNumber(weight);
  if (unsound) throw damagedPack(unsound);
  return weight;
}

/** The arrays of one position of a linear alone. */
function positionOf({ rows, blocks, ids, products }: TabledScheme, position: number) {
  return {
    ids: ids.subarray(position * rows, (position + 1) * rows),
    tables: products.entries.subarray(
      position * blocks * tableEntries,
      (position + 1) * blocks * tableEntries,
    ),
  };
}

function streamOf({ rows, blocks, table }: TabledOutline): Stream {
  return { outputs: rows, blocks, bits: table.bits };
}

function words(bytes: Uint8Array, width: number): TensorBytes {
  return { dtype: "U8", shape: [bytes.length / width, width], bytes };
}
