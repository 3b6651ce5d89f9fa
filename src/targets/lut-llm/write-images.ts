import type { Piece } from "../../checkpoint/atomic.js";
import { LuthierError } from "../../error.js";
import type { PackedLinear } from "../target.js";
import { fileOf } from "./images.js";
import {
  lanes,
  type Ports,
  packCodebooks,
  packPosition,
  packScales,
  positionBytes,
  tableEntries,
  toPorts,
} from "./layout.js";
import { codebookPorts, portsOfLane, scalePort, tablePorts, unpackWeight } from "./pack.js";
import { type Member, type Projection, runsIn } from "./projections.js";
import type { TabledScheme } from "./tabled.js";

/**
 * All images, projection by projection: the linears of one are in memory at a time.
 * @param pack packs a linear by its name.
 * @throws LuthierError when linears of a projection do not share what they have to share.
 */
export async function* imagePieces(
  projections: readonly Projection[],
  ports: Ports,
  pack: (linear: string) => Promise<PackedLinear>,
): AsyncGenerator<Piece> {
  for (const projection of projections) {
    const parts: Part[] = [];
    for (const member of projection.members) {
      const { tensors } = await pack(member.name);
      parts.push(partOf(member, unpackWeight(tensors, member.weight, ports), projection));
    }
    expectSameCodebooks(parts);
    yield* tablePieces(projection, parts, ports);
    const codebooks = packCodebooks(parts[0].scheme.inputCodebooks);
    yield* onPorts(codebooks, codebookPorts(ports), ports);
    yield { file: fileOf(scalePort), bytes: scalesOf(projection, parts) };
  }
}

/** A linear of a projection with its data. */
interface Part {
  readonly member: Member;
  readonly scheme: TabledScheme;
  /** Which of the projection's blocks each of its own is. */
  readonly blocks: readonly number[];
}

function partOf(member: Member, scheme: TabledScheme, { outputs, blocks }: Projection): Part {
  const { rows } = member.weight;
  return { member, scheme, blocks: runsIn(rows, member.weight.blocks, member, outputs / blocks) };
}

function* tablePieces(projection: Projection, parts: readonly Part[], ports: Ports): Generator<Piece> {
  const names = tablePorts(ports);
  for (let row = 0; row < projection.positions / lanes; row++) {
    const beats = Array.from({ length: lanes }, (_, lane) => {
      const out = new Uint8Array(positionBytes(projection));
      const position = row * lanes + lane;
      const arrays = {
        tables: tablesOf(projection, parts, position),
        ids: idsOf(projection, parts, position),
      };
      packPosition(arrays, projection, out);
      return out;
    });
    yield* onPorts(beats, names, ports);
  }
}

/** The bytes of each lane, on its ports. */
function* onPorts(ofLanes: readonly Uint8Array[], names: readonly string[], ports: Ports): Generator<Piece> {
  for (const [lane, beats] of ofLanes.entries()) {
    for (const [i, bytes] of toPorts(beats, ports).entries())
      yield { file: fileOf(names[lane * portsOfLane(ports) + i]), bytes };
  }
}

/** `[S, c_a, c_w]` of one position. Linears whose outputs share a block have the same table of it. */
function tablesOf({ blocks }: Projection, parts: readonly Part[], position: number): Uint8Array {
  const out = new Uint8Array(blocks * tableEntries);
  const writers: (Part | undefined)[] = new Array(blocks);
  for (const part of parts) {
    const { entries } = part.scheme.products;
    for (const [own, block] of part.blocks.entries()) {
      const first = (position * part.blocks.length + own) * tableEntries;
      const table = entries.subarray(first, first + tableEntries);
      const writer = writers[block];
      if (writer === undefined) {
        out.set(table, block * tableEntries);
        writers[block] = part;
      } else if (
        Buffer.compare(table, out.subarray(block * tableEntries, (block + 1) * tableEntries)) !== 0
      ) {
        throw unshared(writer, part, `tables at position ${position}`);
      }
    }
  }
  return out;
}

/** `[N]` of one position. */
function idsOf({ outputs }: Projection, parts: readonly Part[], position: number): Uint8Array {
  const out = new Uint8Array(outputs);
  for (const { member, scheme } of parts) {
    const { firstOutput, outputRun, outputStride } = member;
    for (let row = 0, to = firstOutput; row < scheme.rows; row += outputRun, to += outputStride) {
      const first = position * scheme.rows + row;
      out.set(scheme.ids.subarray(first, first + outputRun), to);
    }
  }
  return out;
}

/** The search is made once for all linears of a projection. */
function expectSameCodebooks([first, ...rest]: readonly Part[]): void {
  const bytes = ({ scheme: { inputCodebooks } }: Part) =>
    Buffer.from(inputCodebooks.buffer, inputCodebooks.byteOffset, inputCodebooks.byteLength);
  for (const part of rest)
    if (!bytes(part).equals(bytes(first))) throw unshared(first, part, "centroids of their input");
}

function unshared(one: Part, other: Part, what: string): LuthierError {
  return new LuthierError(
    `${one.member.name} and ${other.member.name} have different ${what}, which the hardware has once for both`,
    "quantize them again in one run of `co-quantization`, with --fresh",
  );
}

function scalesOf({ outputs, outputsOfScale }: Projection, parts: readonly Part[]): Uint8Array {
  const scales = new Float32Array(outputs / outputsOfScale);
  const biases = new Float32Array(scales.length);
  for (const { member, scheme } of parts) {
    const words = runsIn(scheme.rows, scheme.table.scales, member, outputsOfScale);
    for (const [i, word] of words.entries()) {
      scales[word] = scheme.products.scales[i];
      biases[word] = scheme.products.biases[i];
    }
  }
  return packScales(scales, biases);
}
