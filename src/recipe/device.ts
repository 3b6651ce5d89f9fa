import { z } from "zod";
import { type Device, deviceSchema } from "../targets/device.js";
import { targets } from "../targets/registry.js";
import { type Format, parseYaml } from "./parse-yaml.js";
import { readShipped, shippedNames } from "./shipped.js";

/* Device files: what estimates need to know of a machine. docs/estimate.md describes every key. */

const folder = "devices";

/** With the keys under `designs` that the targets' cost models ask for. */
const schema = deviceSchema.extend({
  designs: z
    .strictObject(
      Object.fromEntries(
        targets.flatMap(({ name, cost }) =>
          cost && Object.keys(cost.design.shape).length > 0 ? [[name, cost.design.optional()]] : [],
        ),
      ),
    )
    .optional()
    .describe("how a target is built on the device, where its cost depends on it"),
});

const format: Format<Device> = {
  schema,
  jsonSchema: () => z.toJSONSchema(schema, { io: "input" }),
  whole: "the device",
  fix: "mend the device file; docs/estimate.md has every key, and the files in devices/ are examples",
};

/** @param file names it in errors. @throws LuthierError (usage) for each fault, with its line. */
export function parseDevice(text: string, file: string): Device {
  return parseYaml(text, file, format).data;
}

export function shippedDeviceNames(): Promise<readonly string[]> {
  return shippedNames(folder);
}

/**
 * A shipped device by its name, or a device file by its path.
 * @throws LuthierError (usage) when there is none, or it has a fault.
 */
export async function loadDevice(nameOrFile: string): Promise<Device> {
  const { text, file } = await readShipped(folder, "device", nameOrFile);
  return parseDevice(text, file);
}
