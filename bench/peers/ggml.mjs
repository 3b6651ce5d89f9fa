// ggml's own functions on blocks: decoders, encoders, and the products of its generic CPU code.
import { load } from "./libraries.mjs";

/** By our names; `input` is the type that the product rounds its input to. */
const types = {
  tq1_0: { id: 34, size: 256, bytes: 54, input: "q8_K", dot: "ggml_vec_dot_tq1_0_q8_K_generic" },
  tq2_0: { id: 35, size: 256, bytes: 66, input: "q8_K", dot: "ggml_vec_dot_tq2_0_q8_K_generic" },
  // This type has no vector code on x86: the plain name is the generic code.
  q2_0: { id: 42, size: 64, bytes: 18, input: "q8_0", dot: "ggml_vec_dot_q2_0_q8_0" },
  q4_0: { id: 2, size: 32, bytes: 18, input: "q8_0", dot: "ggml_vec_dot_q4_0_q8_0_generic" },
  q8_0: { id: 8, size: 32, bytes: 34, input: "q8_0", dot: "ggml_vec_dot_q8_0_q8_0_generic" },
};

/** Bytes of the rounded input for a number of values. */
const inputBytes = { q8_0: (count) => (count / 32) * 34, q8_K: (count) => (count / 256) * 292 };

export function openGgml() {
  const base = load("libggml-base");
  // The variant for any x64 processor: its compiler had no fused multiply-add to contract sums with.
  const cpu = load("libggml-cpu-x64");
  cpu.func("void ggml_cpu_init()")(); // its table of FP16 values
  const quantize = base.func(
    "size_t ggml_quantize_chunk(int type, const float *x, _Out_ uint8_t *out, int64_t start, int64_t rows, int64_t columns, void *importance)",
  );
  const each = Object.entries(types).map(([name, { id, size, bytes, input, dot }]) => {
    const dequantizeRow = base.func(
      `void dequantize_row_${name}(const uint8_t *blocks, _Out_ float *out, int64_t count)`,
    );
    const roundInput = base.func(
      `void quantize_row_${input}_ref(const float *x, _Out_ uint8_t *out, int64_t count)`,
    );
    const vectorDot = cpu.func(
      `void ${dot}(int count, _Out_ float *out, size_t bs, const uint8_t *blocks, size_t bx, const uint8_t *input, size_t by, int nrc)`,
    );
    const calls = {
      dequantize(blocks) {
        const out = new Float32Array((blocks.length / bytes) * size);
        dequantizeRow(blocks, out, out.length);
        return out;
      },
      quantize(values, columns) {
        const out = new Uint8Array((values.length / size) * bytes);
        quantize(id, values, out, 0, values.length / columns, columns, null);
        return out;
      },
      /** One row of blocks with one input. */
      dot(blocks, x) {
        const rounded = new Uint8Array(inputBytes[input](x.length));
        roundInput(x, rounded, x.length);
        const out = new Float32Array(1);
        vectorDot(x.length, out, 0, blocks, 0, rounded, 0, 1);
        return out[0];
      },
    };
    return [name, calls];
  });
  return Object.fromEntries(each);
}
