import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { LuthierError } from "../error.js";

/*
 * Parquet's encodings say in a few bytes that a value stands there two thousand million times, and the library that
 * decodes them believes it. So it works on a thread of its own, which is ended when it takes more than any table needs.
 */

/** What is asked of a file: how large its columns claim to be, or its rows. */
export interface ParquetRequest {
  readonly file: string;
  readonly want: "sizes" | "rows";
  /** Of the rows; null for all. */
  readonly columns: readonly string[] | null;
}

export interface ReadingLimits {
  readonly seconds: number;
  /** By which the process may grow meanwhile. */
  readonly memoryBytes: number;
}

/** A choice: far more than a benchmark's tables take, far less than what a hostile file asks for. */
const generous: ReadingLimits = { seconds: 600, memoryBytes: 6 * 2 ** 30 };

/**
 * What the library answers.
 * @throws LuthierError when it takes too long or too much; the error's own properties when it fails, as an Error.
 */
export async function readOnThread(
  request: ParquetRequest,
  limits: ReadingLimits = generous,
): Promise<unknown> {
  const worker = idle ?? startWorker();
  idle = null;
  worker.ref();
  try {
    const { value, failure } = await answerOf(worker, request, limits);
    worker.unref();
    idle = worker;
    if (failure === undefined) return value;
    throw Object.assign(new Error(failure.message), failure);
  } catch (error) {
    if (idle === worker) throw error; // only the file is damaged
    await worker.terminate();
    throw error;
  }
}

/** Waits for the next file: starting one takes longer than reading a small table. */
let idle: Worker | null = null;

/** How often it is looked at what the thread takes. */
const lookMs = 50;

interface Answer {
  readonly value?: unknown;
  readonly failure?: { readonly message: string; readonly code?: string; readonly syscall?: string };
}

function answerOf(worker: Worker, request: ParquetRequest, limits: ReadingLimits): Promise<Answer> {
  const endMs = performance.now() + limits.seconds * 1000;
  const mostBytes = process.memoryUsage.rss() + limits.memoryBytes;
  return new Promise((resolve, reject) => {
    const look = setInterval(() => {
      if (performance.now() > endMs) refuse(`more than ${limits.seconds} seconds`);
      if (process.memoryUsage.rss() > mostBytes) refuse(`more than ${limits.memoryBytes} bytes of memory`);
    }, lookMs);
    const stop = () => {
      clearInterval(look);
      worker.off("message", hear).off("error", fail).off("exit", fail);
    };
    const hear = (answer: Answer) => {
      stop();
      resolve(answer);
    };
    const refuse = (what: string) => {
      stop();
      reject(tooMuch(request.file, what));
    };
    const fail = () => refuse("more memory than a table needs");
    worker.on("message", hear).on("error", fail).on("exit", fail);
    worker.postMessage(request);
  });
}

function tooMuch(file: string, what: string): LuthierError {
  return new LuthierError(
    `${file} takes ${what} to unpack`,
    "Fetch it again: it is damaged, or made to fill the memory; or choose a smaller split.",
  );
}

function startWorker(): Worker {
  const library = pathToFileURL(createRequire(import.meta.url).resolve("hyparquet")).href;
  return new Worker(program, {
    eval: true,
    workerData: library,
    resourceLimits: { maxOldGenerationSizeMb: 4096 },
  });
}

/** As text, so that it runs from sources and from what is compiled alike. */
const program = `
const { parentPort, workerData } = require("node:worker_threads");
process.on("unhandledRejection", () => {}); // of columns that were begun beside the one that is damaged
parentPort.on("message", async ({ file, want, columns }) => {
  try {
    const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import(workerData);
    const buffer = await asyncBufferFromFile(file);
    const metadata = await parquetMetadataAsync(buffer);
    const value = want === "sizes"
      ? metadata.row_groups.flatMap(({ columns, num_rows }) => columns.map(({ meta_data: chunk }) => ({
          column: chunk?.path_in_schema.join(".") ?? "",
          bytes: Number(chunk?.total_uncompressed_size ?? 0),
          values: Math.max(Number(chunk?.num_values ?? 0), Number(num_rows)),
        })))
      : await parquetReadObjects({ file: buffer, metadata, ...(columns && { columns }) });
    parentPort.postMessage({ value });
  } catch (error) {
    const { message, code, syscall } = Object(error);
    parentPort.postMessage({ failure: { message: String(message), ...(syscall && { code, syscall }) } });
  }
});`;
