import { type Format, parseYaml } from "./parse-yaml.js";
import { isPerplexity, type Recipe, recipeJsonSchema, recipeSchema } from "./schema.js";

const format: Format<Recipe> = {
  schema: recipeSchema,
  jsonSchema: recipeJsonSchema,
  whole: "the recipe",
  fix: "mend the recipe; `luthier recipes` lists ready ones, recipes/recipe.schema.json has every key",
};

/**
 * Reads a recipe.
 *
 * @param text the YAML.
 * @param file names it in errors.
 * @throws LuthierError (usage) for text that is no YAML, a wrong key, a wrong value or a rule that says nothing or two
 *   things, each with its line and, for a word that is nearly right, the right one.
 */
export function parseRecipe(text: string, file: string): Recipe {
  const { data, fault } = parseYaml(text, file, format);
  for (const [index, rule] of data.rules.entries()) {
    const chosen = Number(rule.keep !== undefined) + Number(rule.quantize !== undefined);
    const at = ["rules", index];
    const name = `rule ${index + 1}`;
    if (chosen !== 1)
      throw fault(
        at,
        `${name} needs either \`keep: float\` or \`quantize\`, it has ${chosen ? "both" : "neither"}`,
      );
    if (rule.keep && rule.activation)
      throw fault(at, `${name} keeps its linears float: it takes no \`activation\``);
    if (rule.keep && rule.biasCorrection)
      throw fault(at, `${name} keeps its linears float: it takes no \`biasCorrection\``);
  }
  for (const [index, choice] of data.evaluate.entries()) {
    if (!isPerplexity(choice)) continue;
    if ((choice.text === undefined) === (choice.dataset === undefined))
      throw fault(["evaluate", index], "a perplexity needs either `text` or `dataset`");
  }
  const { calibration } = data;
  if (calibration && (calibration.text === undefined) === (calibration.dataset === undefined))
    throw fault(["calibration"], "a calibration needs either `text` or `dataset`");
  return data;
}
