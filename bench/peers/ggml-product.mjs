// llama.cpp's quantized product, ggml_mul_mat, as a peer, through the CPU library that it chooses for this machine. Where
// it repacks a type for its matrix kernels, as llama.cpp does when it loads a model, so it does here.
import { readdirSync } from "node:fs";
import { folder, koffi, load } from "./libraries.mjs";

/** `ggml_type` of ggml.h. */
export const types = { F32: 0, Q4_0: 2, Q2_K: 10, TQ2_0: 35 };

const base = load("libggml-base");
const cpu = bestCpuLibrary();

koffi.struct("ggml_threadpool_params", {
  cpumask: koffi.array("uint8", 512),
  threads: "int",
  priority: "int",
  poll: "uint32",
  strict: "bool",
  paused: "bool",
});
koffi.struct("ggml_init_params", {
  size: "size_t",
  buffer: "void *",
  noAlloc: "bool",
});

const extraBuffers = koffi.proto("void **ggml_extra_buffers(void *)");
koffi.proto("void ggml_log(int, const char *, void *)");

const call = {
  setLog: base.func("void ggml_log_set(ggml_log *, void *)"),
  init: base.func("void *ggml_init(ggml_init_params)"),
  free: base.func("void ggml_free(void *)"),
  tensor: base.func("void *ggml_new_tensor_2d(void *, int, int64, int64)"),
  multiply: base.func("void *ggml_mul_mat(void *, void *, void *)"),
  graph: base.func("void *ggml_new_graph(void *)"),
  expand: base.func("void ggml_build_forward_expand(void *, void *)"),
  quantize: base.func("size_t ggml_quantize_chunk(int, void *, void *, int64, int64, int64, void *)"),
  rowBytes: base.func("size_t ggml_row_size(int, int64)"),
  allocate: base.func("void *ggml_backend_alloc_ctx_tensors(void *, void *)"),
  allocateFrom: base.func("void *ggml_backend_alloc_ctx_tensors_from_buft(void *, void *)"),
  freeBuffer: base.func("void ggml_backend_buffer_free(void *)"),
  set: base.func("void ggml_backend_tensor_set(void *, void *, size_t, size_t)"),
  compute: base.func("int ggml_backend_graph_compute(void *, void *)"),
  device: base.func("void *ggml_backend_reg_dev_get(void *, size_t)"),
  procedure: base.func("void *ggml_backend_reg_get_proc_address(void *, const char *)"),
  supports: base.func("bool ggml_backend_dev_supports_op(void *, void *)"),
  registry: cpu.func("void *ggml_backend_cpu_reg()"),
  backend: cpu.func("void *ggml_backend_cpu_init()"),
  threads: cpu.func("void ggml_backend_cpu_set_n_threads(void *, int)"),
  poolDefaults: base.func("ggml_threadpool_params ggml_threadpool_params_default(int)"),
  pool: cpu.func("void *ggml_threadpool_new(_Inout_ ggml_threadpool_params *)"),
  usePool: cpu.func("void ggml_backend_cpu_set_threadpool(void *, void *)"),
};

call.setLog(
  koffi.register(() => {}, "ggml_log *"),
  null,
); // it tells of every tensor that it repacks

/** The library that scores highest on this processor, as ggml's loader chooses. */
function bestCpuLibrary() {
  const scored = readdirSync(folder)
    .filter((name) => name.startsWith("libggml-cpu-"))
    .map((name) => {
      const library = load(name.replace(/\.so$/, "."));
      return { library, score: library.func("int ggml_backend_score()")() };
    })
    .sort((a, b) => b.score - a.score);
  return scored[0].library;
}

/** @returns {{run(tokens: number): number, repacked: boolean}} run gives seconds of one product. */
export function openGgmlProduct({ type, rows, columns, threads, copies = 1 }) {
  const backend = call.backend();
  call.threads(backend, threads);
  if (threads > 1) call.usePool(backend, call.pool(call.poolDefaults(threads)));
  const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 0.7) * 0.02);
  const bytes = new Uint8Array(rows * call.rowBytes(types[type], columns));
  call.quantize(types[type], values, bytes, 0, rows, columns, null);

  const { weights, repacked } = weightsOf(types[type], rows, columns, bytes, copies);
  const graphs = new Map();
  let next = 0;
  return {
    repacked,
    run(tokens) {
      if (!graphs.has(tokens))
        graphs.set(
          tokens,
          weights.map((weight) => graphOf(backend, weight, columns, tokens)),
        );
      const graph = graphs.get(tokens)[next++ % copies];
      const start = performance.now();
      const status = call.compute(backend, graph);
      const seconds = (performance.now() - start) / 1000;
      if (status !== 0) throw new Error(`ggml_backend_graph_compute gave ${status}`);
      return seconds;
    },
  };
}

function weightsOf(type, rows, columns, bytes, copies) {
  const registry = call.registry();
  const device = call.device(registry, 0);
  const address = call.procedure(registry, "ggml_backend_dev_get_extra_bufts");
  const extra = address && koffi.call(address, extraBuffers, device);
  const kinds = extra ? koffi.decode(extra, koffi.array("void *", 4)) : [];
  const last = kinds.indexOf(null);
  for (const kind of [...kinds.slice(0, last < 0 ? 4 : last), null]) {
    const weights = Array.from({ length: copies }, () => allocated(type, rows, columns, kind));
    if (kind !== null && !supported(device, weights[0], columns)) continue;
    for (const weight of weights) call.set(weight, bytes, 0, bytes.length);
    return { weights, repacked: kind !== null };
  }
  throw new Error("ggml has no place for the weights");
}

function allocated(type, rows, columns, kind) {
  const context = call.init({ size: 1 << 14, buffer: null, noAlloc: true });
  const tensor = call.tensor(context, type, columns, rows);
  if (kind === null) call.allocate(context, call.backend());
  else call.allocateFrom(context, kind);
  return tensor;
}

function supported(device, weight, columns) {
  const context = call.init({ size: 1 << 14, buffer: null, noAlloc: true });
  return call.supports(device, call.multiply(context, weight, call.tensor(context, types.F32, columns, 128)));
}

function graphOf(backend, weight, columns, tokens) {
  const context = call.init({ size: 1 << 20, buffer: null, noAlloc: true });
  const input = call.tensor(context, types.F32, columns, tokens);
  const product = call.multiply(context, weight, input);
  const graph = call.graph(context);
  call.expand(graph, product);
  call.allocate(context, backend);
  const data = Float32Array.from({ length: tokens * columns }, (_, i) => Math.sin(i));
  call.set(input, data, 0, data.byteLength);
  return graph;
}
