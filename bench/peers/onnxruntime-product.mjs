// onnxruntime's quantized product, MatMulNBits (com.microsoft), as a peer: one node, weights as initializers so that they
// are packed beforehand. `level` 4 is its INT8 path, `lut` its lookup-table path (2 bits only).
import * as ort from "onnxruntime-node";

/** @returns {Promise<{run(tokens: number): Promise<number>, close(): Promise<void>}>} run gives seconds of one product. */
export async function openMatMulNBits({ bits, block, rows, columns, level, lut, threads, copies = 1 }) {
  const model = matMulNBits({ bits, block, rows, columns, level });
  const options = {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: lut ? { mlas: { use_lut_gemm: "1" } } : {},
  };
  const sessions = [];
  for (let i = 0; i < copies; i++) sessions.push(await ort.InferenceSession.create(model, options));
  let next = 0;
  const inputs = new Map();
  return {
    async run(tokens) {
      const input = inputs.get(tokens) ?? feed(tokens, columns);
      inputs.set(tokens, input);
      const session = sessions[next++ % copies];
      const start = performance.now();
      await session.run({ x: input });
      return (performance.now() - start) / 1000;
    },
    async close() {
      for (const session of sessions) await session.release();
    },
  };
}

function feed(tokens, columns) {
  const data = Float32Array.from({ length: tokens * columns }, (_, i) => Math.sin(i));
  return new ort.Tensor("float32", data, [tokens, columns]);
}

function matMulNBits({ bits, block, rows, columns, level }) {
  const blocks = columns / block;
  const weight = new Uint8Array((rows * columns * bits) / 8);
  for (let i = 0, state = 1; i < weight.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    weight[i] = state >>> 24;
  }
  const scales = new Uint8Array(new Float32Array(rows * blocks).fill(2 ** -6).buffer);
  const node = message([
    ...["x", "w", "s"].map((name) => bytes(1, name)),
    bytes(2, "y"),
    bytes(4, "MatMulNBits"),
    ...Object.entries({ K: columns, N: rows, bits, block_size: block, accuracy_level: level }).map(
      ([name, value]) => bytes(5, message([bytes(1, name), integer(3, value), integer(20, 2)])),
    ),
    bytes(7, "com.microsoft"),
  ]);
  const graph = message([
    bytes(1, node),
    bytes(2, "peer"),
    bytes(5, tensor("w", 2, [rows, blocks, (block * bits) / 8], weight)),
    bytes(5, tensor("s", 1, [rows, blocks], scales)),
    bytes(11, value("x", ["tokens", columns])),
    bytes(12, value("y", ["tokens", rows])),
  ]);
  const operators = [
    ["", 21],
    ["com.microsoft", 1],
  ];
  return message([
    integer(1, 10),
    bytes(7, graph),
    ...operators.map(([domain, version]) => bytes(8, message([bytes(1, domain), integer(2, version)]))),
  ]);
}

function tensor(name, type, shape, raw) {
  return message([...shape.map((size) => integer(1, size)), integer(2, type), bytes(8, name), bytes(9, raw)]);
}

function value(name, shape) {
  const dimensions = shape.map((size) =>
    bytes(1, typeof size === "number" ? integer(1, size) : bytes(2, size)),
  );
  return message([
    bytes(1, name),
    bytes(2, bytes(1, message([integer(1, 1), bytes(2, message(dimensions))]))),
  ]);
}

// The protobuf wire format.

const message = (fields) => Buffer.concat(fields);

function bytes(number, content) {
  const body = typeof content === "string" ? Buffer.from(content) : content;
  return Buffer.concat([varint((number << 3) | 2), varint(body.length), body]);
}

function integer(number, content) {
  return Buffer.concat([varint(number << 3), varint(content)]);
}

function varint(number) {
  const out = [];
  for (let rest = number; ; rest = Math.floor(rest / 128)) {
    out.push(rest >= 128 ? (rest % 128) | 128 : rest);
    if (rest < 128) return Uint8Array.from(out);
  }
}
