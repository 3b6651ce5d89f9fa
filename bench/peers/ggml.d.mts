export interface GgmlBlocks {
  dequantize(blocks: Uint8Array): Float32Array;
  quantize(values: Float32Array, columns: number): Uint8Array;
  dot(blocks: Uint8Array, x: Float32Array): number;
}

export function openGgml(): Record<"tq1_0" | "tq2_0" | "q2_0" | "q4_0" | "q8_0", GgmlBlocks>;
