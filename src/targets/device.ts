import { z } from "zod";

/*
 * What a device file says of a machine: docs/estimate.md has every key. Each number stands with its source, so that an
 * estimate can say what it rests on.
 */

const positive = z.number().positive();
const source = z.string().min(1).describe("where the number stands, or how it was found");

/** A number and where it stands; the key that holds it names its unit. */
export const figure = z.strictObject({ value: positive, source });

const cpu = z.strictObject({
  kind: z.literal("cpu"),
  cores: figure.describe("cores that compute together"),
  instructionSet: z.enum(["neon", "avx2"]).describe("vectors of 16 bytes (neon) or 32 (avx2)"),
  dotProduct: z.boolean().default(false).describe("whether NEON has its INT8 dot product (sdot)"),
  vectorInstructionsPerCycle: figure.describe("vector instructions that one core starts in a cycle"),
  laneCrossingsPerCycle: figure
    .optional()
    .describe(
      "of these, instructions that move data between the lanes of 16 bytes; as all others by default",
    ),
});

const fpga = z.strictObject({
  kind: z.literal("fpga"),
  luts: figure,
  flipFlops: figure.optional(),
  dsps: figure,
  memoryPorts: figure.optional().describe("ports that weights stream through side by side"),
  portBytes: figure.optional().describe("bytes that one port delivers in a cycle"),
});

const gpu = z.strictObject({
  kind: z.literal("gpu"),
  multiprocessors: figure,
  sharedWordsPerCycle: figure.describe("words of shared memory that one multiprocessor reads in a cycle"),
  floatLanes: figure.describe("float additions of one multiprocessor in a cycle"),
});

export const deviceSchema = z.strictObject({
  version: z.literal(1),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "a name of small letters, digits and dashes"),
  what: z.string().min(1).describe("the machine in a line"),
  source: z.string().min(1).describe("where the machine is described"),
  clockHertz: figure,
  offChipBytesPerSecond: figure.describe("bandwidth of the memory that the weights lie in"),
  onChip: z
    .array(z.strictObject({ memory: z.string().min(1), count: z.int().positive(), bytes: positive, source }))
    .default([])
    .describe("memories on the chip: how many blocks of how many bytes"),
  units: z.discriminatedUnion("kind", [cpu, fpga, gpu]),
  power: z
    .array(z.strictObject({ target: z.string(), watts: positive, source }))
    .default([])
    .describe("power while a target's product runs, where it is published"),
  published: z
    .array(
      z.strictObject({
        target: z.string(),
        what: z.string().min(1),
        value: z.number(),
        unit: z.string().min(1),
        source,
      }),
    )
    .default([])
    .describe("results that others state for the device: shown beside an estimate, never fitted to"),
});

/** A machine that a target's products are estimated on. */
export interface Device extends z.infer<typeof deviceSchema> {
  /** How targets are built on it, by target: each as its cost model's `design` says. */
  readonly designs?: Readonly<Record<string, unknown>>;
}

export type Units = Device["units"];

/** @throws RangeError for another kind: a cost model's `refuse` is asked first. */
export function unitsOf<K extends Units["kind"]>(device: Device, kind: K): Extract<Units, { kind: K }> {
  const { units } = device;
  if (units.kind !== kind) throw new RangeError(`${device.name} is a ${units.kind}, not a ${kind}`);
  return units as Extract<Units, { kind: K }>;
}

/** Clock cycles in which the off-chip memory moves so many bytes. */
export function streamCycles(bytes: number, device: Device): number {
  return (bytes / device.offChipBytesPerSecond.value) * device.clockHertz.value;
}
