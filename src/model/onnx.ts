/*
 * Just enough of ONNX's protobuf (onnx/onnx.proto3) to build the small graphs of ops.ts: no package holds the current
 * schema. Tensors are float32 unless said otherwise.
 */

export interface Graph {
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  readonly nodes: readonly GraphNode[];
  /** Small int64 constants, such as shapes. */
  readonly constants?: Readonly<Record<string, readonly number[]>>;
}

export interface GraphValue {
  readonly name: string;
  /** A number for a fixed size, a word for one that each run may set. */
  readonly shape: readonly (number | string)[];
  readonly type?: "float32" | "int64" | "bool";
}

export interface GraphNode {
  readonly op: string;
  /** An empty name leaves an optional input out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number | readonly number[] | { readonly float: number }>>;
}

const irVersion = 11;
const operatorSet = 24;

/** The bytes of an ONNX ModelProto. */
export function encodeModel(graph: Graph): Uint8Array {
  const body = message([
    ...graph.nodes.map((node) => field(1, encodeNode(node))),
    field(2, text("luthier")),
    ...Object.entries(graph.constants ?? {}).map(([name, values]) => field(5, encodeConstant(name, values))),
    ...graph.inputs.map((value) => field(11, encodeValue(value))),
    ...graph.outputs.map((value) => field(12, encodeValue(value))),
  ]);
  return message([
    integer(1, irVersion),
    field(7, body),
    field(8, message([field(1, text("")), integer(2, operatorSet)])),
  ]);
}

function encodeNode({ op, inputs, outputs, attributes = {} }: GraphNode): Uint8Array {
  return message([
    ...inputs.map((name) => field(1, text(name))),
    ...outputs.map((name) => field(2, text(name))),
    field(4, text(op)),
    ...Object.entries(attributes).map(([name, value]) => field(5, encodeAttribute(name, value))),
  ]);
}

const attributeType = { float: 1, int: 2, ints: 7 } as const;

function encodeAttribute(
  name: string,
  value: number | readonly number[] | { readonly float: number },
): Uint8Array {
  if (typeof value === "number") {
    return message([field(1, text(name)), integer(3, value), integer(20, attributeType.int)]);
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

const elementType = { float32: 1, int64: 7, bool: 9 } as const;

function encodeValue({ name, shape, type = "float32" }: GraphValue): Uint8Array {
  const dimensions = shape.map((size) =>
    field(1, message([typeof size === "number" ? integer(1, size) : field(2, text(size))])),
  );
  const tensor = message([integer(1, elementType[type]), field(2, message(dimensions))]);
  return message([field(1, text(name)), field(2, message([field(1, tensor)]))]);
}

function encodeConstant(name: string, values: readonly number[]): Uint8Array {
  return message([
    integer(1, values.length),
    integer(2, elementType.int64),
    field(7, message(values.map(varint))), // packed
    field(8, text(name)),
  ]);
}

// The protobuf wire format: https://protobuf.dev/programming-guides/encoding

function message(fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

function field(number: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([varint((number << 3) | 2), varint(content.length), content]);
}

function integer(number: number, value: number): Uint8Array {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

function float(number: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint((number << 3) | 5), bytes]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value)); // negative numbers take their ten-byte form
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

function text(value: string): Uint8Array {
  return Buffer.from(value, "utf8");
}
