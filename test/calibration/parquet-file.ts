/*
 * The smallest parquet file that holds a text column: one row group, one page, plain encoding, no compression
 * (https://github.com/apache/parquet-format). Its headers are in Thrift's compact protocol.
 */

export interface ParquetColumn {
  readonly name: string;
  /** Texts, or integers of 32 bits, or of 64. */
  readonly values: readonly string[] | readonly number[] | readonly bigint[];
  /** What the header claims that the column unpacks to; the truth unless given. */
  readonly claimedBytes?: number;
  /** How the page says that its bytes are to be read; plain unless given. */
  readonly encoding?: number;
  /** How many values the header claims that the column has. */
  readonly claimedValues?: number;
}

export function parquetFile(...columns: readonly ParquetColumn[]): Buffer {
  const magic = Buffer.from("PAR1");
  const parts: Buffer[] = [magic];
  const chunks: Field[][] = [];
  for (const column of columns) {
    const offset = Buffer.concat(parts).length;
    const page = pageOf(column);
    parts.push(page);
    chunks.push(chunkOf(column, offset, page.length));
  }
  const rows = columns[0].values.length;
  const root: Field[] = [
    [4, "binary", "schema"],
    [5, "i32", columns.length],
  ];
  const rowGroup: Field[] = [
    [1, "structs", chunks],
    [2, "i64", 0],
    [3, "i64", rows],
  ];
  const footer = struct([
    [1, "i32", 1],
    [2, "structs", [root, ...columns.map(schemaOf)]],
    [3, "i64", rows],
    [4, "structs", [rowGroup]],
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([...parts, footer, length, magic]);
}

const int32 = 1;
const int64 = 2;
const byteArray = 6;
const utf8 = 0;
const rleLevels = 3;

function typeOf({ values }: ParquetColumn): number {
  if (typeof values[0] === "bigint") return int64;
  return typeof values[0] === "number" ? int32 : byteArray;
}

function schemaOf(column: ParquetColumn): Field[] {
  const type = typeOf(column);
  return [
    [1, "i32", type],
    [3, "i32", 0], // required: no levels in the page
    [4, "binary", column.name],
    ...(type === byteArray ? [[6, "i32", utf8] as Field] : []),
  ];
}

function pageOf({ values, encoding = 0 }: ParquetColumn): Buffer {
  const data = Buffer.concat(values.map(plain));
  const header = struct([
    [1, "i32", 0],
    [2, "i32", data.length],
    [3, "i32", data.length],
    [
      5,
      "struct",
      [
        [1, "i32", values.length],
        [2, "i32", encoding],
        [3, "i32", rleLevels],
        [4, "i32", rleLevels],
      ],
    ],
  ]);
  return Buffer.concat([header, data]);
}

function plain(value: string | number | bigint): Buffer {
  if (typeof value === "bigint") {
    const long = Buffer.alloc(8);
    long.writeBigInt64LE(value);
    return long;
  }
  const number = Buffer.alloc(4);
  number.writeInt32LE(typeof value === "number" ? value : Buffer.byteLength(value));
  return typeof value === "number" ? number : Buffer.concat([number, Buffer.from(value)]);
}

function chunkOf(column: ParquetColumn, offset: number, bytes: number): Field[] {
  return [
    [2, "i64", offset],
    [
      3,
      "struct",
      [
        [1, "i32", typeOf(column)],
        [2, "i32s", [0]],
        [3, "binaries", [column.name]],
        [4, "i32", 0],
        [5, "i64", column.claimedValues ?? column.values.length],
        [6, "i64", column.claimedBytes ?? bytes],
        [7, "i64", bytes],
        [9, "i64", offset],
      ],
    ],
  ];
}

type Field =
  | [id: number, type: "i32" | "i64", value: number]
  | [id: number, type: "binary", value: string]
  | [id: number, type: "i32s", value: readonly number[]]
  | [id: number, type: "binaries", value: readonly string[]]
  | [id: number, type: "struct", value: readonly Field[]]
  | [id: number, type: "structs", value: readonly (readonly Field[])[]];

const codes = { i32: 5, i64: 6, binary: 8, i32s: 9, binaries: 9, struct: 12, structs: 9 } as const;

function struct(fields: readonly Field[]): Buffer {
  let last = 0;
  const parts = fields.map((field) => {
    const header = Buffer.of(((field[0] - last) << 4) | codes[field[1]]);
    last = field[0];
    return Buffer.concat([header, value(field)]);
  });
  return Buffer.concat([...parts, Buffer.of(0)]);
}

function value(field: Field): Buffer {
  switch (field[1]) {
    case "i32":
    case "i64":
      return varint(field[2] * 2); // zigzag of a number that is not negative
    case "binary":
      return Buffer.concat([varint(Buffer.byteLength(field[2])), Buffer.from(field[2])]);
    case "struct":
      return struct(field[2]);
    case "i32s":
      return list(codes.i32, field[2], (item) => varint(item * 2));
    case "binaries":
      return list(codes.binary, field[2], (item) => value([0, "binary", item]));
    case "structs":
      return list(codes.struct, field[2], struct);
  }
}

function list<T>(code: number, items: readonly T[], encode: (item: T) => Buffer): Buffer {
  return Buffer.concat([Buffer.of((items.length << 4) | code), ...items.map(encode)]);
}

function varint(number: number): Buffer {
  const bytes: number[] = [];
  let rest = number;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
