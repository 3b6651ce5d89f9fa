import type { Device } from "../../src/targets/device.js";

const of = (value: number) => ({ value, source: "test" });

const common = {
  version: 1 as const,
  name: "board",
  what: "a board",
  source: "test",
  power: [],
  published: [],
};

/** Round figures, so that a test can work out costs in its head. */
export const cpuDevice = (instructionSet: "neon" | "avx2", cores = 1): Device => ({
  ...common,
  clockHertz: of(1e9),
  offChipBytesPerSecond: of(10e9),
  onChip: [{ memory: "l2", count: 1, bytes: 65536, source: "test" }],
  units: {
    kind: "cpu",
    cores: of(cores),
    instructionSet,
    dotProduct: true,
    vectorInstructionsPerCycle: of(2),
    laneCrossingsPerCycle: of(1),
  },
});

export const fpgaDevice: Device = {
  ...common,
  clockHertz: of(250e6),
  offChipBytesPerSecond: of(17.1e9),
  onChip: [{ memory: "uram", count: 64, bytes: 36864, source: "test" }],
  units: { kind: "fpga", luts: of(117120), dsps: of(1248) },
};

export const gpuDevice: Device = {
  ...common,
  clockHertz: of(1.41e9),
  offChipBytesPerSecond: of(1555e9),
  onChip: [],
  units: { kind: "gpu", multiprocessors: of(108), sharedWordsPerCycle: of(32), floatLanes: of(64) },
};
