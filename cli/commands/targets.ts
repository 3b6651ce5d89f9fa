import { Command } from "commander";
import { targets } from "../../src/targets/registry.js";
import { type CommonOptions, withCommonOptions } from "../options.js";
import { facts, printResult, title } from "../output.js";

export function targetsCommand(): Command {
  return withCommonOptions(new Command("targets"))
    .description("list the hardware that packs can be made for, with their parameters")
    .addHelpText("after", "\nExample:\n  luthier targets --json")
    .action(({ json }: CommonOptions) => {
      const rows = targets.map(({ name, summary, source, parameters }) => ({
        name,
        summary,
        source,
        parameters: Object.fromEntries(
          Object.entries(parameters.shape).map(([key, schema]) => [key, schema.description ?? ""]),
        ),
      }));
      printResult(json ?? false, rows, () =>
        rows
          .map((row) =>
            [
              title(row.name),
              facts([["what", row.summary], ["source", row.source], ...Object.entries(row.parameters)]),
            ].join("\n"),
          )
          .join("\n\n"),
      );
    });
}
