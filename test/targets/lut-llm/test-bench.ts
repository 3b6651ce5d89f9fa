import type { ModelSizes, Tabled } from "./models.js";

/*
 * The images of a model by a second, plain way: as the authors' test bench fills its vectors
 * (qwen_block/qwen_block_tb.cpp of LUT-FPGA/LUT-LLM), entry by entry with its index expressions.
 */

/** Beats of every port of 512 bits, and the words of scales, of all layers. */
export interface Bench {
  readonly tables: readonly number[][];
  readonly codebooks: readonly number[][];
  readonly scales: readonly number[];
}

/** One projection as the bench has it: columns in the order of the hardware. */
interface Fused {
  readonly positions: number;
  readonly columns: readonly { readonly of: Tabled; readonly row: number }[];
  /** Columns that share a table. */
  readonly blockColumns: number;
  readonly scaleColumns: number;
}

export function benchImages(sizes: ModelSizes, linears: ReadonlyMap<string, Tabled>): Bench {
  const tables: number[][] = Array.from({ length: 16 }, () => []);
  const codebooks: number[][] = [[], []];
  const scales: number[] = [];
  for (let layer = 0; layer < sizes.layers; layer++) {
    for (const fused of projections(sizes, (name) => linears.get(`model.layers.${layer}.${name}`)!)) {
      for (let pos = 0; pos < fused.positions; pos++)
        tables[pos % 16].push(...rowBytes(fused, pos, sizes.bits));
      const { of } = fused.columns[0];
      for (let block = 0; block < fused.positions / 8; block++)
        for (let i = 0; i < 64; i++)
          for (let pos = block * 8; pos < block * 8 + 8; pos++)
            for (let j = 0; j < 2; j++)
              codebooks[block % 2].push(...bytesOf(of.inputCodebooks[(pos * 64 + i) * 2 + j]));
      for (let column = 0; column < fused.columns.length; column += fused.scaleColumns) {
        const { of: linear, row } = fused.columns[column];
        const at = Math.floor((row * linear.table.scales) / linear.rows);
        scales.push(...bytesOf(linear.products.scales[at]), ...bytesOf(linear.products.biases[at]));
      }
    }
  }
  return { tables, codebooks, scales };
}

/** Hardware order: v[0], k[0], q[0:1], v[1], k[1], q[2:3] …; up before gate. */
function projections(sizes: ModelSizes, linear: (name: string) => Tabled): Fused[] {
  const { heads, keyValueHeads, headSize, blocks } = sizes;
  const [q, k, v] = ["q", "k", "v"].map((name) => linear(`self_attn.${name}_proj`));
  const head = (of: Tabled, index: number) =>
    Array.from({ length: headSize }, (_, d) => ({ of, row: index * headSize + d }));
  const perGroup = heads / keyValueHeads;
  const qkv = [];
  for (let g = 0; g < keyValueHeads; g++) {
    qkv.push(...head(v, g), ...head(k, g));
    for (let h = 0; h < perGroup; h++) qkv.push(...head(q, g * perGroup + h));
  }
  const all = (of: Tabled) => Array.from({ length: of.rows }, (_, row) => ({ of, row }));
  const [o, up, gate, down] = ["self_attn.o", "mlp.up", "mlp.gate", "mlp.down"].map((name) =>
    linear(`${name}_proj`),
  );
  const whole = (of: Tabled, columns: Fused["columns"]): Fused => ({
    positions: of.columns / 2,
    columns,
    blockColumns: of.rows / of.blocks,
    scaleColumns: of.rows,
  });
  return [
    { ...whole(q, qkv), blockColumns: qkv.length / blocks[0], scaleColumns: headSize },
    whole(o, all(o)),
    whole(up, [...all(up), ...all(gate)]),
    whole(down, all(down)),
  ];
}

/** The bytes of a row of one buffer: its table vectors, then its vectors of weight indices. */
function rowBytes({ columns, blockColumns }: Fused, pos: number, bits: 4 | 8): number[] {
  const out: number[] = [];
  const submatrices = columns.length / blockColumns;
  const lut = (sub: number, act: number, k: number) => {
    const { of, row } = columns[sub * blockColumns];
    const own = Math.floor((row * of.blocks) / of.rows);
    return of.products.entries[((pos * of.blocks + own) * 64 + act) * 16 + k];
  };
  const actsOfVector = bits === 8 ? 4 : 8;
  for (let group = 0; group < 64 / actsOfVector; group++)
    for (let sub = 0; sub < submatrices; sub++)
      for (let ii = 0; ii < actsOfVector; ii++)
        for (let k = 0; k < 16; k += bits === 8 ? 1 : 2) {
          const act = group * actsOfVector + ii;
          out.push(bits === 8 ? lut(sub, act, k) : lut(sub, act, k) + 16 * lut(sub, act, k + 1));
        }
  const id = (column: number) => {
    const { of, row } = columns[column];
    return of.ids[pos * of.rows + row];
  };
  for (let column = 0; column < columns.length; column += 2) out.push(id(column) + 16 * id(column + 1));
  return out;
}

function bytesOf(value: number): number[] {
  return [...new Uint8Array(Float32Array.of(value).buffer)];
}
