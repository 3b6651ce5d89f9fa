import type { ChannelGroup } from "../model/architecture.js";
import { bytesOf, type Tensors } from "../tensor/tensor.js";
import type { ChannelOrders } from "../transforms/reordered-tensors.js";
import { readFound, writeFound } from "./found-files.js";
import type { FileEntry } from "./record.js";

/* `quantized/channel-orders.safetensors`: in which order the channels of the checkpoint lie in the run. */

const ordersFile = "channel-orders.safetensors";
const format = "luthier-channel-orders";

export interface StoredOrders {
  readonly orders: ChannelOrders;
  readonly file: FileEntry;
}

export async function writeOrders(run: string, orders: ChannelOrders): Promise<StoredOrders> {
  const tensors: Tensors = Object.fromEntries(
    [...orders].map(([group, order]) => [
      group,
      { dtype: "U32", shape: [order.length], bytes: bytesOf(order) },
    ]),
  );
  return { orders, file: await writeFound(run, ordersFile, format, tensors) };
}

/** The orders that an earlier process wrote; null when there are none, or they are damaged or of another model. */
export async function readOrders(run: string, groups: readonly ChannelGroup[]): Promise<StoredOrders | null> {
  const stored = await readFound(run, ordersFile, format, (tensors) => {
    const orders = new Map<string, Uint32Array>();
    for (const { name, size } of groups) {
      const order = orderOf(tensors[name], size);
      if (order === null) return null;
      orders.set(name, order);
    }
    return orders;
  });
  return stored && { orders: stored.found, file: stored.file };
}

/** An order of so many channels, each of them once; null when a tensor is none. */
function orderOf(tensor: Tensors[string] | undefined, size: number): Uint32Array | null {
  if (tensor?.dtype !== "U32" || tensor.shape.length !== 1 || tensor.shape[0] !== size) return null;
  const order = new Uint32Array(tensor.bytes.slice().buffer);
  const sorted = order.toSorted();
  return sorted.every((channel, at) => channel === at) ? order : null;
}
