/*
 * The beats that LUT-LLM's kernel streams (qwen_block/qwen_block_tb.cpp and imm/imm.h of LUT-FPGA/LUT-LLM). README.md
 * draws them.
 */

/** v: inputs of a position. */
export const vector = 2;
/** c_a: centroids of the input at a position; a table's rows. */
export const inputCentroids = 64;
/** c_w: centroids of a codebook of weights; a table's columns. */
export const weightCentroids = 16;

/** Bytes of a beat of 512 bits. */
export const beatBytes = 64;
/** Lanes that compute side by side: position p is streamed to lane p mod 16, as its row p div 16. */
export const lanes = 16;
/** Lanes of codebooks: two times eight search units. */
export const codebookLanes = 2;
/** Outputs whose ids are one beat. */
export const idsOfBeat = 128;

/** Ports a lane may be spread over: one of 512 bits, or two of 256. */
export type Ports = 16 | 32;

/** Bits of the fields that the lanes add in, and of the accumulators, by the bits of an entry (imm/imm.h). */
export const sumBits = { 8: { rowSum: 12, accumulator: 22 }, 4: { rowSum: 8, accumulator: 18 } } as const;

/** What is streamed for each position: the tables of every block of outputs, then an id of every output. */
export interface Stream {
  /** N, of all linears that are streamed as one. */
  readonly outputs: number;
  /** S */
  readonly blocks: number;
  /** Of a table's entry. */
  readonly bits: 4 | 8;
}

/** Entries of a table `[c_a, c_w]`. */
export const tableEntries = inputCentroids * weightCentroids;

/** Beats of a position's tables: 16 a block of uint8, 8 of uint4. */
export function tableBeats({ blocks, bits }: Pick<Stream, "blocks" | "bits">): number {
  return (blocks * tableEntries * bits) / 8 / beatBytes;
}

/** Beats of a position's ids; outputs that do not fill the last one leave its rest 0. */
export function idBeats({ outputs }: Pick<Stream, "outputs">): number {
  return Math.ceil(outputs / idsOfBeat);
}

/** Bytes of a position. */
export function positionBytes(stream: Stream): number {
  return (tableBeats(stream) + idBeats(stream)) * beatBytes;
}

/** The arrays of one position. */
export interface Position {
  /** `[S, c_a, c_w]` */
  readonly tables: Uint8Array;
  /** `[N]` */
  readonly ids: Uint8Array;
}

/**
 * The beats of one position: for each run of input centroids (four of uint8, eight of uint4) a beat of every block, then
 * the ids.
 * @param out `positionBytes` zeros.
 */
export function packPosition({ tables, ids }: Position, stream: Stream, out: Uint8Array): void {
  const { blocks, bits } = stream;
  const entriesOfBeat = (beatBytes * 8) / bits;
  let at = 0;
  for (let first = 0; first < tableEntries; first += entriesOfBeat) {
    for (let block = 0; block < blocks; block++, at += beatBytes) {
      const entries = block * tableEntries + first;
      if (bits === 8) out.set(tables.subarray(entries, entries + entriesOfBeat), at);
      else packNibbles(tables, entries, entriesOfBeat, out, at);
    }
  }
  packNibbles(ids, 0, ids.length, out, at);
}

/** What `packPosition` packed; null when the rest of the last id beat is not 0. */
export function unpackPosition(beats: Uint8Array, stream: Stream): Position | null {
  const { outputs, blocks, bits } = stream;
  const entriesOfBeat = (beatBytes * 8) / bits;
  const tables = new Uint8Array(blocks * tableEntries);
  let at = 0;
  for (let first = 0; first < tableEntries; first += entriesOfBeat) {
    for (let block = 0; block < blocks; block++, at += beatBytes) {
      const entries = block * tableEntries + first;
      if (bits === 8) tables.set(beats.subarray(at, at + beatBytes), entries);
      else unpackNibbles(beats, at, entriesOfBeat, tables, entries);
    }
  }
  const ids = new Uint8Array(idBeats(stream) * idsOfBeat);
  unpackNibbles(beats, at, ids.length, ids, 0);
  if (ids.subarray(outputs).some((id) => id !== 0)) return null;
  return { tables, ids: ids.subarray(0, outputs) };
}

/** Two values a byte, the first in the low nibble. */
function packNibbles(values: Uint8Array, from: number, count: number, out: Uint8Array, at: number): void {
  for (let i = 0; i < count; i++) out[at + (i >> 1)] |= values[from + i] << (4 * (i & 1));
}

function unpackNibbles(bytes: Uint8Array, from: number, count: number, out: Uint8Array, at: number): void {
  for (let i = 0; i < count; i++) out[at + i] = (bytes[from + (i >> 1)] >> (4 * (i & 1))) & 15;
}

/** Beats of each lane's codebooks: 64 for each block of eight positions, of which a lane has every other. */
export function codebookBeats(positions: number): number {
  return (positions / positionsOfBeat / codebookLanes) * inputCentroids;
}

/** Positions whose centroids lie side by side in a beat. */
const positionsOfBeat = 8;

/**
 * Codebooks `[P, c_a, v]` as the two lanes of search units read them: block β of eight positions is in lane β mod 2 from
 * beat (β div 2) · 64 on, a beat a centroid, with component j of position p in float 2 · (p mod 8) + j.
 */
export function packCodebooks(codebooks: Float32Array): Uint8Array[] {
  const positions = codebooks.length / inputCentroids / vector;
  const out = Array.from(
    { length: codebookLanes },
    () => new Float32Array((codebookBeats(positions) * beatBytes) / 4),
  );
  eachCentroid(positions, (from, lane, to) => {
    for (let i = 0; i < vector; i++) out[lane][to + i] = codebooks[from + i];
  });
  return out.map((floats) => new Uint8Array(floats.buffer));
}

/** @param ofLanes the bytes of both lanes. */
export function unpackCodebooks(ofLanes: readonly Uint8Array[], positions: number): Float32Array {
  const floats = ofLanes.map((bytes) => new Float32Array(bytes.slice().buffer));
  const out = new Float32Array(positions * inputCentroids * vector);
  eachCentroid(positions, (from, lane, to) => {
    for (let i = 0; i < vector; i++) out[from + i] = floats[lane][to + i];
  });
  return out;
}

/** Where each centroid lies: its first float in `[P, c_a, v]`, its lane, and its first float there. */
function eachCentroid(positions: number, visit: (from: number, lane: number, to: number) => void): void {
  for (let position = 0; position < positions; position++) {
    const block = Math.floor(position / positionsOfBeat);
    const firstBeat = Math.floor(block / codebookLanes) * inputCentroids;
    for (let centroid = 0; centroid < inputCentroids; centroid++) {
      const from = (position * inputCentroids + centroid) * vector;
      const to = ((firstBeat + centroid) * positionsOfBeat + (position % positionsOfBeat)) * vector;
      visit(from, block % codebookLanes, to);
    }
  }
}

/** Bytes of a word of scale and bias. */
export const scaleWordBytes = 8;

/** Words of 64 bits: the scale's float32 below that of the bias, which is subtracted. */
export function packScales(scales: Float32Array, biases: Float32Array): Uint8Array {
  const words = new Float32Array(2 * scales.length);
  for (let i = 0; i < scales.length; i++) words.set([scales[i], biases[i]], 2 * i);
  return new Uint8Array(words.buffer);
}

export function unpackScales(bytes: Uint8Array): { scales: Float32Array; biases: Float32Array } {
  const words = new Float32Array(bytes.slice().buffer);
  return {
    scales: words.filter((_, i) => i % 2 === 0),
    biases: words.filter((_, i) => i % 2 === 1),
  };
}

/** A lane's beats on its ports: whole ones on one of 512 bits; bytes 0 to 31 of each and 32 to 63 on two of 256. */
export function toPorts(beats: Uint8Array, ports: Ports): readonly Uint8Array[] {
  if (ports === lanes) return [beats];
  const half = beatBytes / 2;
  const out = [new Uint8Array(beats.length / 2), new Uint8Array(beats.length / 2)];
  for (let from = 0, to = 0; from < beats.length; from += beatBytes, to += half) {
    out[0].set(beats.subarray(from, from + half), to);
    out[1].set(beats.subarray(from + half, from + beatBytes), to);
  }
  return out;
}

/** What `toPorts` spread. */
export function fromPorts(parts: readonly Uint8Array[]): Uint8Array {
  const [low, high] = parts;
  if (high === undefined) return low;
  const half = beatBytes / 2;
  const out = new Uint8Array(low.length + high.length);
  for (let from = 0, to = 0; from < low.length; from += half, to += beatBytes) {
    out.set(low.subarray(from, from + half), to);
    out.set(high.subarray(from, from + half), to + half);
  }
  return out;
}
