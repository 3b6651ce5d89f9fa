import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import path from "node:path";
import { temporaryBeside } from "../checkpoint/atomic.js";
import { fileError } from "../checkpoint/file-error.js";
import { LuthierError } from "../error.js";
import type { Matrix } from "../tensor/matrix.js";

/** Keeps matrices in memory up to a budget, and the rest in files. */
export interface Spill {
  /**
   * The same matrix, in memory or in a file, until the block after the next begins. One in a file is read whenever its
   * `data` is asked for, which is why reading and writing are synchronous.
   * @throws LuthierError when the file system refuses.
   */
  keep(matrix: Matrix): Matrix;
  /** Forgets what was kept before the block that ends here. */
  nextBlock(): void;
  /** Bytes in memory, and in files. */
  size(): { readonly heldBytes: number; readonly spilledBytes: number };
  close(): void;
}

/** Matrices that were read last: a loop over two of them, value by value, reads each once. */
const mostRemembered = 2;

/**
 * Files are made when the budget is used up. They have no name from then on, so that nothing of them is left however the
 * process ends.
 * @param folder where they lie.
 */
export function openSpill(folder: string, budgetBytes: number): Spill {
  let [earlier, now] = [openGeneration(folder), openGeneration(folder)];
  const kept = new WeakSet<Matrix>();
  let remembered: { readonly of: Matrix; readonly data: Float32Array }[] = [];

  function spilled({ rows, columns, data }: Matrix, generation: Generation): Matrix {
    const begin = generation.write(data);
    const placed: Matrix = {
      rows,
      columns,
      get data() {
        const found = remembered.find(({ of }) => of === placed);
        if (found) return found.data;
        const read = generation.read(begin, rows * columns);
        remembered = [{ of: placed, data: read }, ...remembered.slice(0, mostRemembered - 1)];
        return read;
      },
    };
    return placed;
  }

  return {
    keep(matrix) {
      if (kept.has(matrix)) return matrix;
      const bytes = matrix.data.byteLength;
      const fits = earlier.heldBytes + now.heldBytes + bytes <= budgetBytes;
      if (fits) now.heldBytes += bytes;
      const placed = fits ? matrix : spilled(matrix, now);
      kept.add(placed);
      return placed;
    },
    nextBlock() {
      earlier.empty();
      [earlier, now] = [now, earlier];
    },
    size: () => ({
      heldBytes: earlier.heldBytes + now.heldBytes,
      spilledBytes: earlier.spilledBytes() + now.spilledBytes(),
    }),
    close() {
      earlier.close();
      now.close();
      remembered = [];
    },
  };
}

/** What was kept while one block was computed. */
interface Generation {
  heldBytes: number;
  spilledBytes(): number;
  /** Gives where it begins. */
  write(values: Float32Array): number;
  read(begin: number, count: number): Float32Array;
  empty(): void;
  close(): void;
}

function openGeneration(folder: string): Generation {
  const file = temporaryBeside(path.join(folder, "activations"));
  let handle: number | null = null;
  let end = 0;
  let emptied = 0;
  const generation: Generation = {
    heldBytes: 0,
    spilledBytes: () => end,
    write(values) {
      const begin = end;
      handle ??= openNameless(file);
      whole("write", file, values, begin, (bytes, place) =>
        writeSync(handle!, bytes, 0, bytes.length, place),
      );
      end += values.byteLength;
      return begin;
    },
    read(begin, count) {
      if (handle === null || begin + 4 * count > end)
        throw new RangeError(`an activation was read after its block: ${emptied} blocks ago`);
      const values = new Float32Array(count);
      whole("read", file, values, begin, (bytes, place) => readSync(handle!, bytes, 0, bytes.length, place));
      return values;
    },
    empty() {
      generation.heldBytes = 0;
      generation.close();
      emptied++;
    },
    close() {
      if (handle !== null) closeSync(handle);
      [handle, end] = [null, 0];
    },
  };
  return generation;
}

function openNameless(file: string): number {
  try {
    const handle = openSync(file, "wx+", 0o600);
    unlinkSync(file);
    return handle;
  } catch (error) {
    throw fileError("write", file, error);
  }
}

/** Reads or writes all bytes of `values` at a place, however few a call takes. */
function whole(
  doing: "read" | "write",
  file: string,
  values: Float32Array,
  begin: number,
  call: (bytes: Uint8Array, place: number) => number,
): void {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  try {
    for (let done = 0; done < bytes.length; ) {
      const count = call(bytes.subarray(done), begin + done);
      if (count === 0)
        throw new LuthierError(`cannot ${doing} ${file}: it ended early`, "check the disk, and run again");
      done += count;
    }
  } catch (error) {
    throw fileError(doing, file, error);
  }
}
