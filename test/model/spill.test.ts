import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openSpill } from "../../src/model/spill.js";
import { matrix } from "../../src/tensor/matrix.js";

const folder = mkdtempSync(path.join(tmpdir(), "luthier-spill-"));

test("matrices come back bit for bit, whatever part of them fits the budget", () => {
  const values = fc.array(fc.float(), { minLength: 1, maxLength: 30 });
  const property = (all: readonly number[][], budgetBytes: number) => {
    const spill = openSpill(folder, budgetBytes);
    const placed = all.map((each) => spill.keep(matrix(1, each.length, Float32Array.from(each))));
    const { heldBytes, spilledBytes } = spill.size();
    expect(heldBytes).toBeLessThanOrEqual(budgetBytes);
    expect(heldBytes + spilledBytes).toBe(4 * all.flat().length);
    for (const [at, { data }] of placed.entries()) expect(data).toEqual(Float32Array.from(all[at]));
    spill.close();
  };
  fc.assert(fc.property(fc.array(values, { maxLength: 8 }), fc.nat(200), property));
});

test("what was kept already stays where it is", () => {
  const spill = openSpill(folder, 0);
  const placed = spill.keep(matrix(2, 2));
  expect(spill.keep(placed)).toBe(placed);
  expect(spill.size()).toEqual({ heldBytes: 0, spilledBytes: 16 });
  spill.close();
});

test("a matrix is there while the next block is computed, and refused after that", () => {
  const spill = openSpill(folder, 0);
  const [first, others] = [spill.keep(matrix(1, 1, Float32Array.of(7))), [1, 2].map((n) => matrix(1, n))];
  spill.nextBlock();
  expect(first.data).toEqual(Float32Array.of(7));
  for (const other of others) expect(spill.keep(other).data.length).toBe(other.columns); // not the last ones read any more
  spill.nextBlock();
  expect(() => first.data).toThrow(RangeError);
  spill.close();
});

test("no file is left in the folder, not even while it is used", () => {
  const spill = openSpill(folder, 0);
  spill.keep(matrix(1, 1));
  expect(readdirSync(folder)).toEqual([]);
  spill.close();
});

test("a folder that cannot be written is named", () => {
  const spill = openSpill(path.join(folder, "missing"), 0);
  expect(() => spill.keep(matrix(1, 1))).toThrow(/cannot write .*missing/);
});
