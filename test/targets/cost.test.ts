import { expect, test } from "vitest";
import {
  boundOf,
  cyclesOf,
  type LinearCost,
  offChipBytes,
  refuseKind,
  type Step,
} from "../../src/targets/cost.js";
import { streamCycles, unitsOf } from "../../src/targets/device.js";
import { cpuDevice, gpuDevice } from "./device-of.js";

const step = (name: string, cycles: number): Step => ({ name, cycles, busy: "units" });

const cost: LinearCost = {
  stages: [
    [step("table build", 3), step("quantize", 2)],
    [step("lookups", 10), step("weight stream", 40)],
  ],
  lookups: 0,
  bytes: { weights: 100, scales: 10, activations: 1, tables: 1000 },
  memory: [],
};

test("stages follow each other, the steps of one run side by side", () => {
  expect(cyclesOf(cost)).toBe(43);
});

test("the step that takes most of the time is the bound", () => {
  expect(boundOf(cost).name).toBe("weight stream");
});

test("tables are read on the chip, all else comes from outside", () => {
  expect(offChipBytes(cost)).toBe(111);
});

test("a stream takes bytes / bandwidth, in cycles of the clock", () => {
  expect(streamCycles(1000, cpuDevice("avx2"))).toBe(100); // 10 GB/s at 1 GHz: ten bytes a cycle
});

test("a device of another kind is refused with the kind that is wanted", () => {
  expect(refuseKind(gpuDevice, "gpu", "t-mac")).toBe(null);
  expect(refuseKind(gpuDevice, "cpu", "t-mac")).toMatchObject({
    reason: "t-mac runs on a cpu, board is a gpu",
  });
  expect(() => unitsOf(gpuDevice, "cpu")).toThrow(RangeError);
});
