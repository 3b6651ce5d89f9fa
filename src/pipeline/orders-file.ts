import path from "node:path";
import { hashFile } from "../checkpoint/file-hash.js";
import { readHeader, writeSafetensors } from "../checkpoint/safetensors.js";
import { LuthierError } from "../error.js";
import type { ChannelGroup } from "../model/architecture.js";
import type { Tensors } from "../tensor/tensor.js";
import type { ChannelOrders } from "../transforms/reordered-tensors.js";
import { dataSha256, named, quantizedFolder, readAll } from "./quantized-files.js";
import type { FileEntry } from "./record.js";

/* `quantized/channel-orders.safetensors`: in which order the channels of the checkpoint lie in the run. */

const ordersFile = "channel-orders.safetensors";

export interface StoredOrders {
  readonly orders: ChannelOrders;
  readonly file: FileEntry;
}

export async function writeOrders(run: string, orders: ChannelOrders): Promise<StoredOrders> {
  const tensors: Tensors = Object.fromEntries(
    [...orders].map(([group, order]) => {
      const bytes = new Uint8Array(order.buffer, order.byteOffset, order.byteLength);
      return [group, { dtype: "U32", shape: [order.length], bytes }];
    }),
  );
  const written = await writeSafetensors(path.join(quantizedFolder(run), ordersFile), named(tensors), {
    format: "luthier-channel-orders",
    version: "1",
    dataSha256: dataSha256(tensors),
  });
  return { orders, file: { file: ordersFile, ...written } };
}

/** The orders that an earlier process wrote; null when there are none, or they are damaged or of another model. */
export async function readOrders(run: string, groups: readonly ChannelGroup[]): Promise<StoredOrders | null> {
  const file = path.join(quantizedFolder(run), ordersFile);
  try {
    const { metadata } = await readHeader(file);
    const tensors = await readAll(file);
    if (metadata.format !== "luthier-channel-orders" || metadata.version !== "1") return null;
    if (metadata.dataSha256 !== dataSha256(tensors)) return null;
    const orders = new Map<string, Uint32Array>();
    for (const { name, size } of groups) {
      const order = orderOf(tensors[name], size);
      if (order === null) return null;
      orders.set(name, order);
    }
    return { orders, file: { file: ordersFile, ...(await hashFile(file)) } };
  } catch (error) {
    if (error instanceof LuthierError) return null;
    throw error;
  }
}

/** An order of so many channels, each of them once; null when a tensor is none. */
function orderOf(tensor: Tensors[string] | undefined, size: number): Uint32Array | null {
  if (tensor?.dtype !== "U32" || tensor.shape.length !== 1 || tensor.shape[0] !== size) return null;
  const order = new Uint32Array(tensor.bytes.slice().buffer);
  const sorted = order.toSorted();
  return sorted.every((channel, at) => channel === at) ? order : null;
}
