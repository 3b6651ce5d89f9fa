import { isScalar, LineCounter, type Node, parseDocument } from "yaml";
import type { z } from "zod";
import { LuthierError } from "../error.js";
import { nearest } from "../nearest.js";

/** A kind of YAML file: what it may say, and how its faults are told. */
export interface Format<T> {
  readonly schema: z.ZodType<T>;
  /** The schema as JSON Schema, which suggests the right key or name for a wrong one. */
  jsonSchema(): object;
  /** What a fault at the top is said of: `the recipe`. */
  readonly whole: string;
  /** The way out of any fault. */
  readonly fix: string;
}

export interface Parsed<T> {
  readonly data: T;
  /** A fault of the content that no schema tells, at a path. */
  fault(path: readonly PropertyKey[], message: string): LuthierError;
}

/**
 * Reads a YAML file that people write.
 *
 * @param file names it in errors.
 * @throws LuthierError (usage) for text that is no YAML, a wrong key or a wrong value, each with its line and, for a
 *   word that is nearly right, the right one.
 */
export function parseYaml<T>(text: string, file: string, format: Format<T>): Parsed<T> {
  try {
    return parsed(text, file, format);
  } catch (error) {
    // The parser, and what shows a value in an error, call themselves for each value within a value.
    if (!(error instanceof RangeError)) throw error;
    throw new LuthierError(`${file}: its values are nested too deeply`, format.fix, { usage: true });
  }
}

function parsed<T>(text: string, file: string, format: Format<T>): Parsed<T> {
  const error = (message: string) => new LuthierError(message, format.fix, { usage: true });
  const lines = new LineCounter();
  // A pretty error quotes its line, for which each of them goes through the text: minutes for a file that is all wrong.
  const document = parseDocument(text, { lineCounter: lines, logLevel: "error", prettyErrors: false });
  const [syntax] = document.errors;
  if (syntax) {
    const { line, col } = lines.linePos(syntax.pos[0]);
    throw error(`${file}:${line}:${col}: ${syntax.message}`);
  }
  const lineOf = (path: readonly PropertyKey[]) => lines.linePos(offsetOf(document, path)).line;
  let content: unknown;
  try {
    // Aliases that lead nowhere, or unfold to more than a file can mean, end here.
    content = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw error(`${file}: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  const checked = format.schema.safeParse(content);
  if (!checked.success) {
    const { issues } = checked.error;
    const told = issues
      .slice(0, mostTold)
      .map((issue) => explain(issue, content, format))
      .map(({ path, message }) => `${file}:${lineOf(path)}: ${message}`);
    const more = issues.length > mostTold ? [`and ${issues.length - mostTold} more`] : [];
    throw error([...told, ...more].join("\n"));
  }
  return { data: checked.data, fault: (path, message) => error(`${file}:${lineOf(path)}: ${message}`) };
}

/** Each takes a look through the schema: a file that is all wrong would take minutes. */
const mostTold = 20;

interface Explained {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function explain(issue: z.core.$ZodIssue, content: unknown, format: Format<unknown>): Explained {
  const where = issue.path.length === 0 ? format.whole : `\`${issue.path.map(String).join(".")}\``;
  if (issue.code === "unrecognized_keys") {
    const [key] = issue.keys;
    const right = nearest(key, propertyNames(issue.path, content, format));
    return {
      path: [...issue.path, key],
      message: `unknown key \`${key}\`${right ? `: did you mean \`${right}\`?` : ""}`,
    };
  }
  if (issue.code === "invalid_union" && issue.discriminator) {
    const path =
      issue.path.at(-1) === issue.discriminator ? issue.path : [...issue.path, issue.discriminator];
    const found = valueAt(content, path);
    const known = constantsOf(issue.discriminator, format);
    if (found === undefined)
      return {
        path: issue.path,
        message: `${where} needs a \`${issue.discriminator}\`: ${known.join(", ")}`,
      };
    const named = typeof found === "string" ? found : JSON.stringify(found);
    const right = nearest(named, known);
    const hint = right ? `did you mean \`${right}\`?` : `there are ${known.join(", ")}`;
    return { path, message: `unknown ${issue.discriminator} \`${named}\`: ${hint}` };
  }
  return { path: issue.path, message: `${where}: ${issue.message}` };
}

/** Where a path's key stands in the text; for a path that is not there, where its nearest ancestor stands. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const items = (parent as { items?: readonly { key?: Node }[] } | null)?.items ?? [];
    // Only scalars: as a text, a key within a key is twice as long at each level.
    const isSought = (key?: Node) => isScalar(key) && String(key.value) === String(path[length - 1]);
    const pair = items.find(({ key }) => isSought(key));
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

/** The keys that the schema allows at a path, following the content's own choice of alternatives where it has one. */
function propertyNames(
  path: readonly PropertyKey[],
  content: unknown,
  format: Format<unknown>,
): readonly string[] {
  const options = path.reduce<readonly JsonSchema[]>(
    (schemas, key) =>
      schemas
        .flatMap(alternatives)
        .flatMap(
          (schema) => (typeof key === "number" ? schema.items : schema.properties?.[String(key)]) ?? [],
        ),
    [format.jsonSchema() as JsonSchema],
  );
  const value = valueAt(content, path) as Record<string, unknown> | undefined;
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
function constantsOf(discriminator: string, format: Format<unknown>): readonly string[] {
  const found = new Set<string>();
  const visit = (node: unknown, key?: string): void => {
    if (typeof node !== "object" || node === null) return;
    if (key === discriminator && "const" in node) found.add(String(node.const));
    for (const [name, inner] of Object.entries(node)) visit(inner, name);
  };
  visit(format.jsonSchema());
  return [...found];
}
