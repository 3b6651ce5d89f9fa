import { LineCounter, type Node, parseDocument } from "yaml";
import type { z } from "zod";
import { LuthierError } from "../error.js";
import { nearest } from "./nearest.js";
import { type Recipe, recipeJsonSchema, recipeSchema } from "./schema.js";

/**
 * Reads a recipe.
 *
 * @param text the YAML.
 * @param file names it in errors.
 * @throws LuthierError (usage) for text that is no YAML, a wrong key, a wrong value or a rule that says nothing or two
 *   things, each with its line and, for a word that is nearly right, the right one.
 */
export function parseRecipe(text: string, file: string): Recipe {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [syntax] = document.errors;
  if (syntax) {
    const { line, col } = lines.linePos(syntax.pos[0]);
    throw recipeError(`${file}:${line}:${col}: ${syntax.message.split("\n")[0].replace(/ at line.*$/, "")}`);
  }
  const lineOf = (path: readonly PropertyKey[]) => lines.linePos(offsetOf(document, path)).line;
  const content = contentOf(document, file);
  const parsed = recipeSchema.safeParse(content);
  if (!parsed.success) {
    throw recipeError(
      parsed.error.issues
        .map((issue) => explain(issue, content))
        .map(({ path, message }) => `${file}:${lineOf(path)}: ${message}`)
        .join("\n"),
    );
  }
  for (const [index, rule] of parsed.data.rules.entries()) {
    const chosen = Number(rule.keep !== undefined) + Number(rule.quantize !== undefined);
    const at = `${file}:${lineOf(["rules", index])}: rule ${index + 1}`;
    if (chosen !== 1)
      throw recipeError(
        `${at} needs either \`keep: float\` or \`quantize\`, it has ${chosen ? "both" : "neither"}`,
      );
    if (rule.keep && rule.activation)
      throw recipeError(`${at} keeps its linears float: it takes no \`activation\``);
  }
  for (const [index, choice] of parsed.data.evaluate.entries()) {
    if ((choice.text === undefined) === (choice.dataset === undefined)) {
      throw recipeError(
        `${file}:${lineOf(["evaluate", index])}: a perplexity needs either \`text\` or \`dataset\``,
      );
    }
  }
  return parsed.data;
}

/** @throws LuthierError for aliases that lead nowhere, or unfold to more than a recipe can mean. */
function contentOf(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw recipeError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function recipeError(message: string): LuthierError {
  return new LuthierError(
    message,
    "mend the recipe; `luthier recipes` lists ready ones, recipes/recipe.schema.json has every key",
    {
      usage: true,
    },
  );
}

interface Explained {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function explain(issue: z.core.$ZodIssue, recipe: unknown): Explained {
  const where = issue.path.length === 0 ? "the recipe" : `\`${issue.path.map(String).join(".")}\``;
  if (issue.code === "unrecognized_keys") {
    const [key] = issue.keys;
    const right = nearest(key, propertyNames(issue.path, recipe));
    return {
      path: [...issue.path, key],
      message: `unknown key \`${key}\`${right ? `: did you mean \`${right}\`?` : ""}`,
    };
  }
  if (issue.code === "invalid_union" && issue.discriminator) {
    const path =
      issue.path.at(-1) === issue.discriminator ? issue.path : [...issue.path, issue.discriminator];
    const found = valueAt(recipe, path);
    const known = constantsOf(issue.discriminator);
    if (found === undefined)
      return {
        path: issue.path,
        message: `${where} needs a \`${issue.discriminator}\`: ${known.join(", ")}`,
      };
    const right = nearest(String(found), known);
    const hint = right ? `did you mean \`${right}\`?` : `there are ${known.join(", ")}`;
    return { path, message: `unknown ${issue.discriminator} \`${String(found)}\`: ${hint}` };
  }
  return { path: issue.path, message: `${where}: ${issue.message}` };
}

/** Where a path's key stands in the text; for a path that is not there, where its nearest ancestor stands. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const items = (parent as { items?: readonly { key?: Node }[] } | null)?.items ?? [];
    const pair = items.find((item) => item.key && String(item.key) === String(path[length - 1]));
    const node = pair?.key ?? (document.getIn(path.slice(0, length), true) as Node | undefined);
    if (node?.range) return node.range[0];
  }
  return 0;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce(
    (inner: unknown, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  );
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly const?: unknown;
}

/** The keys that the schema allows at a path, following the recipe's own choice of method or target where it has one. */
function propertyNames(path: readonly PropertyKey[], recipe: unknown): readonly string[] {
  const options = path.reduce<readonly JsonSchema[]>(
    (schemas, key) =>
      schemas
        .flatMap(alternatives)
        .flatMap(
          (schema) => (typeof key === "number" ? schema.items : schema.properties?.[String(key)]) ?? [],
        ),
    [recipeJsonSchema() as JsonSchema],
  );
  const value = valueAt(recipe, path) as Record<string, unknown> | undefined;
  const fits = (schema: JsonSchema) =>
    Object.entries(schema.properties ?? {}).every(
      ([key, inner]) => inner.const === undefined || inner.const === value?.[key],
    );
  const all = options.flatMap(alternatives);
  const fitting = all.filter(fits);
  return (fitting.length > 0 ? fitting : all).flatMap((schema) => Object.keys(schema.properties ?? {}));
}

function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  return schema.oneOf ?? schema.anyOf ?? [schema];
}

/** Every value that a discriminator may take, wherever the schema has it. */
function constantsOf(discriminator: string): readonly string[] {
  const found = new Set<string>();
  const visit = (node: unknown, key?: string): void => {
    if (typeof node !== "object" || node === null) return;
    if (key === discriminator && "const" in node) found.add(String(node.const));
    for (const [name, inner] of Object.entries(node)) visit(inner, name);
  };
  visit(recipeJsonSchema());
  return [...found];
}
