import fc from "fast-check";
import { expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { classColumn, numberColumn, textColumn, textsColumn } from "../../../src/evaluation/tasks/columns.js";

test("the first of the names that a row has is read", () => {
  expect(textColumn({ premise: "a", sentence1: "b" }, "premise", "sentence1")).toBe("a");
  expect(textColumn({ sentence1: "b" }, "premise", "sentence1")).toBe("b");
});

test("a missing column is named, with its other names and what the row has", () => {
  expect(() => textColumn({ text: "a", label: 1 }, "premise", "sentence1")).toThrow(
    "a row has no column premise (nor sentence1); it has text, label",
  );
  expect(() => textColumn({}, "text")).toThrow("a row has no column text; it has none");
  expect(() => textColumn({ text: undefined }, "text")).toThrow("no column text");
});

test("names of JavaScript's own are no columns", () => {
  for (const name of ["constructor", "__proto__", "toString"]) {
    expect(() => textColumn({}, name)).toThrow(`no column ${name}`);
  }
});

test("nothing but a text is a text", () => {
  for (const value of [null, 3, 3n, true, ["a"], { a: 1 }]) {
    expect(() => textColumn({ text: value }, "text")).toThrow(/^the column text of a row is .*, not a text$/);
  }
});

test("lists of texts hold texts alone", () => {
  expect(textsColumn({ endings: ["a", "b"] }, "endings")).toEqual(["a", "b"]);
  for (const endings of ["['a', 'b']", ["a", 1], null]) {
    expect(() => textsColumn({ endings }, "endings")).toThrow("not a list of texts");
  }
});

test("a class is read by number, by name in any case, or as true and false", () => {
  const classOf = (label: unknown) => classColumn({ label }, ["no", "Yes"], "label");
  for (const label of [1, 1n, "1", " 1\r", "yes", "YES", true]) expect(classOf(label)).toBe(1);
  for (const label of [0, "no", false]) expect(classOf(label)).toBe(0);
  for (const label of [-1, -1n, "-1", "-", "", " ", null]) expect(classOf(label)).toBeNull();
});

test("what is none of the classes is refused", () => {
  for (const label of [2, "2", "maybe", 0.5, -2, Number.NaN, ["no"], {}]) {
    expect(() => classColumn({ label }, ["a", "b"], "label")).toThrow(
      /^the column label of a row is .*, not a class: 0 to 1, or a, b$/,
    );
  }
  expect(() => classColumn({ label: true }, ["a", "b", "c"], "label")).toThrow('"true", not a class: 0 to 2');
});

test("numbers lie in their range", () => {
  const numberOf = (score: unknown) => numberColumn({ score }, [0, 5], "score");
  expect([numberOf("3.800"), numberOf(0), numberOf(5n)]).toEqual([3.8, 0, 5]);
  expect([numberOf(-1), numberOf("-1.0"), numberOf("")]).toEqual([null, null, null]);
  for (const score of [5.1, "-0.5", "good", Number.NaN, Infinity]) {
    expect(() => numberOf(score)).toThrow("not a number from 0 to 5");
  }
});

test("whatever a column holds is read or refused by name, never a crash", () => {
  fc.assert(
    fc.property(fc.anything({ withBigInt: true, withNullPrototype: true }), (label) => {
      try {
        const index = classColumn({ label }, ["a", "b"], "label");
        expect([null, 0, 1]).toContain(index);
      } catch (error) {
        expect(error).toBeInstanceOf(LuthierError);
        expect((error as LuthierError).message).toContain("label");
      }
    }),
  );
});
