import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { field, float, integer, message, readFields, text } from "../../src/model/protobuf.js";

// The examples of https://protobuf.dev/programming-guides/encoding.
test("a known message is written and read", () => {
  expect([...integer(1, 150)]).toEqual([0x08, 0x96, 0x01]);
  expect([...field(2, text("testing"))]).toEqual([0x12, 7, ...Buffer.from("testing")]);
  expect(readFields(Uint8Array.of(0x08, 0x96, 0x01, 0x12, 1, 0x61))).toEqual([
    { number: 1, value: 150n },
    { number: 2, value: Uint8Array.of(0x61) },
  ]);
});

test("fields are read back as they were written", () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  const content = fc.oneof(bytes, fc.maxSafeInteger());
  const fields = fc.array(fc.record({ number: fc.integer({ min: 1, max: 2000 }), content }));
  fc.assert(
    fc.property(fields, (given) => {
      const written = message(
        given.map(({ number, content }) =>
          typeof content === "number" ? integer(number, content) : field(number, content),
        ),
      );
      const expected = given.map(({ number, content }) => ({
        number,
        value: typeof content === "number" ? BigInt.asUintN(64, BigInt(content)) : content,
      }));
      expect(readFields(new Uint8Array(written))).toEqual(expected);
    }),
  );
});

test("a float is its four bytes", () => {
  expect(readFields(float(3, 1))).toEqual([{ number: 3, value: Buffer.of(0, 0, 0x80, 0x3f) }]);
});

describe("what a stranger may write is refused:", () => {
  test.each([
    ["a field beyond the end", [0x12, 5, 1], "has a field 2 that ends beyond it"],
    ["a length beyond whole numbers", [0x12, ...Array(9).fill(0xff), 1], "has a field 2 that ends beyond it"],
    ["a number without an end", [0x08, 0xff], "ends within a number"],
    ["a number of eleven bytes", [0x08, ...Array(10).fill(0x80), 1], "more than ten bytes"],
    ["a field of number 0", [0x00, 1], "has a field of number 0"],
    ["a group", [0x0b, 0x0c], "has a field of the kind 3"],
  ])("%s", (_, bytes, message) => {
    expect(() => readFields(Uint8Array.from(bytes))).toThrow(message);
  });

  test("any bytes give fields or a RangeError", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          readFields(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});
