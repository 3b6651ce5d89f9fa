import { Command } from "commander";
import { tasks } from "../../src/evaluation/tasks/registry.js";
import { type CommonOptions, withCommonOptions } from "../options.js";
import { printResult, table } from "../output.js";

export function tasksCommand(): Command {
  return withCommonOptions(new Command("tasks"))
    .description("list the benchmarks that models can be scored on")
    .addHelpText("after", "\nExample:\n  luthier tasks")
    .action(({ json }: CommonOptions) => {
      const rows = tasks.map(({ name, summary, data, forms }) => ({
        name,
        summary,
        data: { dataset: data.dataset, config: data.config, split: data.split },
        forms: Object.entries(forms).map(([kind, form]) => ({
          kind,
          harness: form.harness,
          metrics: form.metrics.map((metric) => metric.name),
        })),
      }));
      printResult(json ?? false, rows, () =>
        [
          table(
            ["task", "what", "models", "metrics"],
            rows.map(({ name, summary, forms }) => [
              name,
              summary,
              forms.map(({ kind }) => kind).join(", "),
              [...new Set(forms.flatMap(({ metrics }) => metrics))].join(", "),
            ]),
          ),
          "\nand perplexity, of causal models, on any text",
        ].join("\n"),
      );
    });
}
