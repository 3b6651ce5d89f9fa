// The perplexity of a GGUF pack by llama.cpp beside ours, over the same windows of the same text.
//
//   npm ci --prefix bench/peers --ignore-scripts && npm run build
//   node bench/peers/llama-cpp.mjs <run> --text FILE --context 256
//
// llama.cpp is called through its shared libraries as npm brings them. Two parameter structures are passed by value: they
// are taken as bytes from the library's own defaults, and only fields whose places are named below are changed.
import { availableParallelism } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { folder, koffi, load } from "./libraries.mjs";

const modelParameters = koffi.struct({ words: koffi.array("uint64", 10) });
const contextParameters = koffi.struct({ words: koffi.array("uint64", 20) });
/** Places of 32-bit fields in llama_context_params of v0.5.0. */
const places = { context: 0, batch: 1, microBatch: 2, threads: 7, batchThreads: 8 };
const batch = koffi.struct({
  count: "int32",
  tokens: "int32 *",
  embeddings: "float *",
  positions: "int32 *",
  sequenceCounts: "int32 *",
  sequences: "void *",
  wanted: "int8 *",
});

export function openLlamaCpp(threads = availableParallelism()) {
  const llama = load("libllama.");
  const call = (result, name, ...types) => llama.func(name, result, types);
  silence(llama);
  load("libggml.").func("void ggml_backend_load_all_from_path(const char *folder)")(folder);
  call("void", "llama_backend_init")();
  const f = {
    open: call("void *", "llama_model_load_from_file", "str", modelParameters),
    free: call("void", "llama_model_free", "void *"),
    vocabulary: call("void *", "llama_model_get_vocab", "void *"),
    size: call("int32", "llama_vocab_n_tokens", "void *"),
    tokenize: call(
      "int32",
      "llama_tokenize",
      "void *",
      "uint8 *",
      "int32",
      koffi.out("int32 *"),
      "int32",
      "bool",
      "bool",
    ),
    start: call("void *", "llama_init_from_model", "void *", contextParameters),
    stop: call("void", "llama_free", "void *"),
    memory: call("void *", "llama_get_memory", "void *"),
    clear: call("void", "llama_memory_clear", "void *", "bool"),
    decode: call("int32", "llama_decode", "void *", batch),
    logits: call("void *", "llama_get_logits", "void *"),
  };
  return {
    version: call("str", "llama_version")(),
    open(file) {
      const model = f.open(file, { words: defaults(llama, "llama_model_default_params", 10) });
      if (model === null) throw new Error(`llama.cpp does not load ${file}`);
      const vocabulary = f.vocabulary(model);
      const size = f.size(vocabulary);
      return {
        tokenize(text) {
          const bytes = Buffer.from(text);
          const ids = new Int32Array(bytes.length + 8);
          const count = f.tokenize(vocabulary, bytes, bytes.length, ids, ids.length, false, false);
          return ids.subarray(0, count);
        },
        perplexity(ids, context) {
          const words = defaults(llama, "llama_context_default_params", 20);
          const fields = new Uint32Array(words.buffer);
          for (const place of [places.context, places.batch, places.microBatch]) fields[place] = context;
          for (const place of [places.threads, places.batchThreads]) fields[place] = threads;
          const session = f.start(model, { words });
          if (session === null) throw new Error("llama.cpp makes no context");
          let sum = 0;
          let predictions = 0;
          for (let first = 0; first + context <= ids.length; first += context) {
            const window = ids.slice(first, first + context);
            f.clear(f.memory(session), true);
            const tokens = { count: context, tokens: window, wanted: new Int8Array(context).fill(1) };
            const status = f.decode(session, {
              ...{ embeddings: null, positions: null, sequenceCounts: null, sequences: null },
              ...tokens,
            });
            if (status !== 0) throw new Error(`llama_decode gives ${status}`);
            const logits = new Float32Array(koffi.view(f.logits(session), 4 * context * size));
            for (let at = 1; at < context; at++, predictions++)
              sum -= logProbability(logits.subarray((at - 1) * size, at * size), window[at]);
          }
          f.stop(session);
          return { perplexity: Math.exp(sum / predictions), predictions };
        },
        close: () => f.free(model),
      };
    },
  };
}

function logProbability(logits, token) {
  let most = -Infinity;
  for (const logit of logits) most = Math.max(most, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return logits[token] - most - Math.log(sum);
}

/** A structure as the library fills it in: one returned by value is written where the first argument points. */
function defaults(llama, name, words) {
  const out = new BigUint64Array(words);
  llama.func(`void ${name}(_Inout_ uint64_t *out)`)(out);
  return out;
}

/** Logs go to a function that takes no notice of its arguments. */
function silence(llama) {
  const nothing = koffi.address(load("libggml-base").symbol("ggml_quantize_free"));
  llama.func("void llama_log_set(void *log, void *data)")(nothing, null);
}

if (process.argv[1] && import.meta.url === pathToFileURL(path.resolve(process.argv[1])).href) await main();

async function main() {
  const { parseArgs } = await import("node:util");
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { text: { type: "string" }, context: { type: "string", default: "256" } },
  });
  const [run] = positionals;
  if (run === undefined || values.text === undefined)
    throw new Error("usage: node bench/peers/llama-cpp.mjs <run> --text FILE [--context 256]");
  const { readFile } = await import("node:fs/promises");
  const { evaluatePerplexity } = await import("../../dist/src/pipeline/evaluate.js");
  const { openTokenizer } = await import("../../dist/src/checkpoint/tokenizer.js");
  const { openKernels } = await import("../../dist/src/kernels/open.js");
  const context = Number(values.context);
  const text = await readFile(values.text, "utf8");
  const ids = (await openTokenizer(path.join(run, "quantized"))).encode(text);

  const peer = openLlamaCpp();
  const model = peer.open(path.join(run, "packs/gguf/model.gguf"));
  const own = model.tokenize(text);
  const same = own.length === ids.length && own.every((id, i) => id === ids[i]);
  const theirs = model.perplexity(ids, context);
  model.close();
  const ours = await evaluatePerplexity({
    path: run,
    engine: "lut",
    target: "gguf",
    kernels: openKernels(),
    text: { text: values.text },
    context,
  });
  console.log(`token ids    ${ids.length}, llama.cpp's ${same ? "are the same" : `differ (${own.length})`}`);
  console.log(
    `luthier      ${ours.perplexity.toFixed(5)} (${ours.predictions} predictions of ${context}-token windows)`,
  );
  console.log(
    `llama.cpp    ${theirs.perplexity.toFixed(5)} (${theirs.predictions} predictions, version ${peer.version})`,
  );
  console.log(`ratio        ${(theirs.perplexity / ours.perplexity).toFixed(6)}`);
}
