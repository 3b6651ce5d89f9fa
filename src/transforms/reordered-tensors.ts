import type { TensorInfo } from "../checkpoint/safetensors.js";
import type { RowRange, TensorSource } from "../checkpoint/tensor-source.js";
import { rangeOf } from "../checkpoint/tensors.js";
import type { ChannelGroup } from "../model/architecture.js";
import { dtypeBytes } from "../tensor/dtype.js";

/** The order of every group's channels, by the group's name: channel `order[i]` comes to place i. */
export type ChannelOrders = ReadonlyMap<string, Uint32Array>;

/**
 * Tensors whose channels are read in another order. Nothing is copied: rows and columns are put in order as they are
 * read. Names, shapes and dtypes stay.
 *
 * @param orders one of every group.
 */
export function reorderedTensors(
  source: TensorSource,
  groups: readonly ChannelGroup[],
  orders: ChannelOrders,
): Pick<TensorSource, "read"> {
  const indices = indicesOf(source, groups, orders);
  return {
    async read(name, range) {
      const { rows = null, columns = null } = indices.get(name) ?? {};
      const bytes = rows ? await gathered(source, name, rows, range) : await source.read(name, range);
      return columns ? inColumns(bytes, columns, source.tensors.get(name)!) : bytes;
    },
  };
}

/** For each row or column of a tensor the one of the source that is read there; what is not set stays in place. */
interface Indices {
  rows?: Uint32Array;
  columns?: Uint32Array;
}

function indicesOf(
  source: TensorSource,
  groups: readonly ChannelGroup[],
  orders: ChannelOrders,
): ReadonlyMap<string, Indices> {
  const all = new Map<string, Indices>();
  for (const { name, size, places } of groups) {
    const order = orders.get(name);
    if (order === undefined) throw new RangeError(`${name} has no order`);
    for (const { tensor, along, firsts } of places) {
      const shape = source.tensors.get(tensor)?.shape;
      if (shape === undefined) throw new RangeError(`there is no tensor ${tensor}`);
      const indices = all.get(tensor) ?? {};
      all.set(tensor, indices);
      indices[along] ??= Uint32Array.from({ length: shape[along === "rows" ? 0 : 1] }, (_, i) => i);
      for (const first of firsts) for (let i = 0; i < size; i++) indices[along][first + i] = first + order[i];
    }
  }
  return all;
}

/** Rows of a tensor in another order: of all the source is read at once, of some row by row. */
async function gathered(
  source: TensorSource,
  name: string,
  rows: Uint32Array,
  range?: RowRange,
): Promise<Uint8Array> {
  const info = source.tensors.get(name)!;
  const { first, last } = rangeOf(info, name, range);
  const rowBytes = info.bytes / rows.length;
  const out = new Uint8Array((last - first) * rowBytes);
  const whole = last - first === rows.length ? await source.read(name) : null;
  for (let at = first; at < last; at++) {
    const from = rows[at];
    const row = whole
      ? whole.subarray(from * rowBytes, (from + 1) * rowBytes)
      : await source.read(name, { first: from, last: from + 1 });
    out.set(row, (at - first) * rowBytes);
  }
  return out;
}

/** Puts the columns of some rows in order. */
function inColumns(bytes: Uint8Array, columns: Uint32Array, { dtype }: TensorInfo): Uint8Array {
  const View = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array }[dtypeBytes[dtype]];
  const out = new Uint8Array(bytes.length);
  const size = View.BYTES_PER_ELEMENT;
  const values = new View(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / size);
  const ordered = new View(out.buffer);
  const width = columns.length;
  for (let row = 0; row < values.length; row += width) {
    for (let column = 0; column < width; column++) ordered[row + column] = values[row + columns[column]];
  }
  return out;
}
