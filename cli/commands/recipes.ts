import { Command } from "commander";
import { headerOf, loadRecipe, shippedRecipeNames } from "../../src/recipe/shipped.js";
import { type CommonOptions, withCommonOptions } from "../options.js";
import { printResult, table } from "../output.js";

export function recipesCommand(): Command {
  return withCommonOptions(new Command("recipes"))
    .description("list the shipped recipes, or print one to start your own from")
    .argument("[name]", "print this recipe's text")
    .addHelpText(
      "after",
      "\nExamples:\n  luthier recipes\n  luthier recipes trit-planes-g128 > my-recipe.yaml",
    )
    .action(async (name: string | undefined, { json }: CommonOptions) => {
      if (name !== undefined) {
        const loaded = await loadRecipe(name);
        printResult(json ?? false, loaded, () => loaded.text.trimEnd());
        return;
      }
      const recipes = await Promise.all((await shippedRecipeNames()).map(loadRecipe));
      const rows = recipes.map((loaded) => ({ name: loaded.name, about: headerOf(loaded.text) }));
      printResult(json ?? false, rows, () =>
        table(
          ["recipe", "what"],
          rows.map((row) => [row.name, row.about[0]]),
        ),
      );
    });
}
