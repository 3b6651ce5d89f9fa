import { Command } from "commander";
import { loadDevice, shippedDeviceNames } from "../../src/recipe/device.js";
import { type CommonOptions, withCommonOptions } from "../options.js";
import { printResult, table } from "../output.js";

export function devicesCommand(): Command {
  return withCommonOptions(new Command("devices"))
    .description("list the devices that costs can be estimated on")
    .addHelpText("after", "\nExample:\n  luthier devices --json")
    .action(async ({ json }: CommonOptions) => {
      const devices = await Promise.all((await shippedDeviceNames()).map(loadDevice));
      printResult(json ?? false, devices, () =>
        table(
          ["device", "kind", "clock", "off-chip", "what"],
          devices.map(({ name, units, clockHertz, offChipBytesPerSecond, what }) => [
            name,
            units.kind,
            `${clockHertz.value / 1e6} MHz`,
            `${offChipBytesPerSecond.value / 1e9} GB/s`,
            what,
          ]),
        ),
      );
    });
}
