import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";

/* The addon checks every length itself: whatever JavaScript passes, nothing is read or written out of bounds. */

const { native, path } = openKernels();

describe.skipIf(native === null)("the addon refuses", () => {
  const addon = native as NonNullable<typeof native>;
  const f32 = (length: number) => new Float32Array(length);

  test("codes that are too short", () => {
    expect(() => addon.tritPlanes(path, 1, f32(256), 128, 2, new Int8Array(511), f32(4))).toThrow(
      /codes has 511 elements, needed are 512/,
    );
  });

  test("scales that are too long", () => {
    expect(() => addon.ternary(1, f32(256), 128, "twn", new Int8Array(256), f32(3))).toThrow(/scales/);
  });

  test("an array of another kind", () => {
    const wrong = new Float64Array(256) as unknown as Float32Array;
    expect(() => addon.ternary(1, wrong, 128, "twn", new Int8Array(256), f32(2))).toThrow(
      /weights is not a typed array/,
    );
  });

  test("a group of zero, a fraction or more than there is", () => {
    for (const group of [0, 1.5, 1000, Number.NaN]) {
      expect(() => addon.ternary(1, f32(256), group, "twn", new Int8Array(256), f32(2))).toThrow(
        /group is out of range/,
      );
    }
  });

  test("tables that overlap, are too long or lead out of their values", () => {
    const call =
      (shape: readonly number[], values = 4) =>
      () =>
        addon.sharedTables(
          ...([path, 1, Uint32Array.from(shape), f32(values), f32(8)] as const),
          ...([new Uint8Array(8), f32(2), new Uint8Array(2)] as const),
        );
    // group, powersOfTwo, where tables start, and the end of the last
    expect(call([4, 0, 0, 4])).not.toThrow();
    for (const shape of [
      [4, 0, 0],
      [0, 0, 0, 4],
      [4, 0, 1, 4],
      [4, 0, 0, 3],
      [4, 0, 0, 3, 2, 4],
      [4, 0, 0, 5, 4],
    ])
      expect(call(shape)).toThrow(/shape is none of tables/);
    expect(call([4, 0, 0, 300], 300)).toThrow(/shape is none of tables/);
    expect(call([2, 0, 0, 4])).toThrow(/scales/);
  });

  test("importances of no whole groups and rows", () => {
    const call =
      (group: number, columns: number, values = 4) =>
      () =>
        addon.ownTables(
          ...([path, 1, f32(24), group, values, new Float64Array(columns)] as const),
          ...([new Uint8Array(24), f32((24 / group) * values)] as const),
        );
    for (const [group, columns] of [
      [4, 10],
      [4, 16],
      [4, 0],
      [24, 12],
    ])
      expect(call(group, columns)).toThrow(/importance is none/);
    expect(call(4, 12, 257)).toThrow(/values is out of range/);
    expect(call(4, 12, 1)).toThrow(/values is out of range/);
  });

  test("a path that this machine does not have", () => {
    expect(() => addon.tritPlanes("reference", 1, f32(128), 128, 1, new Int8Array(128), f32(1))).toThrow(
      /no kernel path/,
    );
  });

  test("a T-MAC layout that would lead out of the weights", () => {
    const shape = (...numbers: number[]) => Uint32Array.of(...numbers);
    const call = (numbers: Uint32Array) => () =>
      addon.tMacMultiply(path, 1, numbers, f32(64), [new Uint8Array(512)], [f32(32)], f32(32));
    // bits, tileRows, kFactor, activationGroup, rows, columns, group, hasZeros, oneScale
    expect(call(shape(2, 48, 16, 64, 32, 64, 64, 0, 0))).toThrow(/layout/);
    expect(call(shape(2, 64, 16, 64, 32, 64, 48, 0, 0))).toThrow(/layout/);
    expect(call(shape(5, 64, 16, 64, 32, 64, 64, 0, 0))).toThrow(/layout/);
    expect(call(shape(2, 64, 16, 64, 64, 64, 64, 0, 0))).toThrow(/weights/);
  });

  test("2-bit codes that are too few, or in blocks of no kernel", () => {
    const call = (rows: number, columns: number, block: number, codes: number) => () =>
      addon.ternaryMultiply(
        ...([path, 1, Uint32Array.of(rows, columns, block, 0), new Uint8Array(codes)] as const),
        ...([f32(1), f32(columns), f32(rows)] as const),
      );
    expect(call(4, 128, 32, 127)).toThrow(/codes has 127 elements, needed are 128/);
    expect(call(4, 100, 32, 100)).toThrow(/codes has 100 elements, needed are 128/);
    expect(call(4, 128, 24, 128)).toThrow(/shape/);
    expect(call(0, 128, 32, 0)).toThrow(/shape/);
    expect(call(1, 2 ** 22 + 128, 32, 2 ** 20 + 32)).toThrow(/shape/);
  });

  test("a LUT-GEMM layout that would lead out of its tensors", () => {
    const call =
      (shape: readonly number[], biasBytes = 16) =>
      () =>
        addon.lutGemmMultiply(
          ...([path, 1, Uint32Array.from(shape), f32(64), new Uint8Array(128), new Uint8Array(32)] as const),
          ...([new Uint8Array(biasBytes), f32(8)] as const),
        );
    // rows, columns, group, planes, kTile
    const unsound = [
      [8, 64, 64, 0, 32],
      [8, 64, 64, 17, 32],
      [8, 64, 48, 2, 32],
      [8, 64, 32, 2, 64],
      [8, 64, 64, 2, 16],
      [8, 48, 48, 2, 32],
    ];
    for (const shape of unsound) expect(call(shape)).toThrow(/layout/);
    expect(call([16, 64, 64, 2, 32])).toThrow(/words has 128/);
    expect(call([8, 64, 32, 2, 32])).toThrow(/alpha has 32/);
    expect(call([8, 64, 64, 2, 32], 0)).toThrow(/bias has 0/);
    expect(call([8, 64, 64, 2, 64])).toThrow(/bias has 16/);
  });

  test("offsets of binary coding and of planes that are not one a group", () => {
    const codes = new Int8Array(512);
    expect(() => addon.bcq(path, 1, f32(256), 128, 2, 15, 0, true, codes, f32(4), f32(1))).toThrow(/offsets/);
    expect(() => addon.bcq(path, 1, f32(256), 128, 5, 15, 0, false, codes, f32(4), f32(0))).toThrow(/planes/);
    const shape = Uint32Array.of(2, 128, 128, 2);
    expect(() => addon.planesErrors(1, shape, f32(256), codes, f32(4), f32(1), new Float64Array(4))).toThrow(
      /offsets/,
    );
  });
});
