import { bytesOf } from "../tensor/tensor.js";
import { field, float, integer, message, text, varint } from "./protobuf.js";

/*
 * Just enough of ONNX's protobuf (onnx/onnx.proto3) to build the small graphs of ops.ts and whole models: no package
 * holds the current schema. Tensors are float32 unless said otherwise.
 */

export interface Graph {
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  readonly nodes: readonly GraphNode[];
  /** Small constants, such as shapes: lists of int64, one int64 without dimensions, or lists of float64. */
  readonly constants?: Readonly<Record<string, readonly number[] | number | Float64Array>>;
  /** Tensors whose bytes lie in a file beside the model. */
  readonly external?: readonly ExternalTensor[];
}

export interface GraphValue {
  readonly name: string;
  /** A number for a fixed size, a word for one that each run may set. */
  readonly shape: readonly (number | string)[];
  readonly type?: "float32" | "int64" | "bool" | "uint8";
}

export interface GraphNode {
  readonly op: string;
  /** Of an operator that is not standard: who defines it. */
  readonly domain?: string;
  readonly name?: string;
  /** An empty name leaves an optional input out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, GraphAttribute>>;
}

type GraphAttribute = number | readonly number[] | { readonly float: number } | string;

export interface ExternalTensor {
  readonly name: string;
  readonly dtype: keyof typeof externalType;
  readonly shape: readonly number[];
  /** A file in the model's folder. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** `TensorProto.DataType`. */
export const elementType = { float32: 1, uint8: 2, int64: 7, bool: 9, float64: 11 } as const;
export const externalType = { F32: 1, U8: 2, F16: 10, BF16: 16 } as const;

const irVersion = 11;
const operatorSet = 24;

/** The bytes of an ONNX ModelProto. */
export function encodeModel(graph: Graph): Uint8Array {
  const body = message([
    ...graph.nodes.map((node) => field(1, encodeNode(node))),
    field(2, text("luthier")),
    ...Object.entries(graph.constants ?? {}).map(([name, values]) => field(5, encodeConstant(name, values))),
    ...(graph.external ?? []).map((tensor) => field(5, encodeExternal(tensor))),
    ...graph.inputs.map((value) => field(11, encodeValue(value))),
    ...graph.outputs.map((value) => field(12, encodeValue(value))),
  ]);
  const domains = new Set(graph.nodes.flatMap(({ domain }) => domain ?? []));
  return message([
    integer(1, irVersion),
    field(7, body),
    field(8, message([field(1, text("")), integer(2, operatorSet)])),
    ...[...domains].map((domain) => field(8, message([field(1, text(domain)), integer(2, 1)]))),
  ]);
}

function encodeNode({ op, domain, name, inputs, outputs, attributes = {} }: GraphNode): Uint8Array {
  return message([
    ...inputs.map((input) => field(1, text(input))),
    ...outputs.map((output) => field(2, text(output))),
    ...(name === undefined ? [] : [field(3, text(name))]),
    field(4, text(op)),
    ...Object.entries(attributes).map(([key, value]) => field(5, encodeAttribute(key, value))),
    ...(domain === undefined ? [] : [field(7, text(domain))]),
  ]);
}

const attributeType = { float: 1, int: 2, string: 3, ints: 7 } as const;

function encodeAttribute(name: string, value: GraphAttribute): Uint8Array {
  if (typeof value === "number") {
    return message([field(1, text(name)), integer(3, value), integer(20, attributeType.int)]);
  }
  if (typeof value === "string") {
    return message([field(1, text(name)), field(4, text(value)), integer(20, attributeType.string)]);
  }
  if ("float" in value) {
    return message([field(1, text(name)), float(2, value.float), integer(20, attributeType.float)]);
  }
  return message([
    field(1, text(name)),
    ...value.map((item) => integer(8, item)),
    integer(20, attributeType.ints),
  ]);
}

function encodeValue({ name, shape, type = "float32" }: GraphValue): Uint8Array {
  const dimensions = shape.map((size) =>
    field(1, message([typeof size === "number" ? integer(1, size) : field(2, text(size))])),
  );
  const tensor = message([integer(1, elementType[type]), field(2, message(dimensions))]);
  return message([field(1, text(name)), field(2, message([field(1, tensor)]))]);
}

function encodeConstant(name: string, values: readonly number[] | number | Float64Array): Uint8Array {
  if (values instanceof Float64Array) {
    return message([
      integer(1, values.length),
      integer(2, elementType.float64),
      field(8, text(name)),
      field(9, bytesOf(values)), // raw
    ]);
  }
  return message([
    ...(typeof values === "number" ? [] : [integer(1, values.length)]),
    integer(2, elementType.int64),
    field(7, message([values].flat().map(varint))), // packed
    field(8, text(name)),
  ]);
}

const isExternal = 1;

function encodeExternal({ name, dtype, shape, file, offset, bytes }: ExternalTensor): Uint8Array {
  const place = { location: file, offset: String(offset), length: String(bytes) };
  return message([
    ...shape.map((size) => integer(1, size)),
    integer(2, externalType[dtype]),
    field(8, text(name)),
    ...Object.entries(place).map(([key, value]) =>
      field(13, message([field(1, text(key)), field(2, text(value))])),
    ),
    integer(14, isExternal),
  ]);
}
