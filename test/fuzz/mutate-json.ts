import type { Chance } from "./chance.js";
import { mutateBytes } from "./mutate-bytes.js";

/**
 * Changes a JSON text by its structure: values of other types and at the edges, keys left out, doubled, renamed or from
 * elsewhere, nesting beyond what a stack holds, paths that lead out. Once in six times its bytes instead.
 */
export function mutateJson(bytes: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  if (chance.oncePer(6)) return mutateBytes(bytes, other, chance);
  try {
    let value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    for (let left = 1 + chance.below(3); left > 0; left--) value = changedSomewhere(value, chance);
    const text = JSON.stringify(value);
    return Buffer.from(chance.oncePer(10) ? raw(text, chance) : text);
  } catch {
    return mutateBytes(bytes, other, chance); // no JSON, or nested deeper than a stack holds
  }
}

type Container = unknown[] | Record<string, unknown>;

/** Walks down at random, then changes what is there. */
function changedSomewhere(root: unknown, chance: Chance): unknown {
  let value = root;
  const above: [Container, string][] = [];
  while (isContainer(value) && Object.keys(value).length > 0 && (value === root || !chance.oncePer(4))) {
    const key = chance.oneOf(Object.keys(value));
    above.push([value, key]);
    value = (value as Record<string, unknown>)[key];
  }
  const last = above.at(-1);
  if (last === undefined) return anything(chance);
  const [container, key] = last;
  change(container, key, chance);
  return root;
}

function change(container: Container, key: string, chance: Chance): void {
  const values = container as Record<string, unknown>;
  const value = values[key];
  const isList = Array.isArray(container);
  const changes = [
    () => (isList ? container.splice(Number(key), 1) : delete values[key]),
    () =>
      isList
        ? container.splice(Number(key), 0, structuredClone(value))
        : put(values, chance.oneOf(keys), structuredClone(value)),
    () => {
      if (!isList) delete values[key];
      put(values, isList ? key : chance.oneOf(keys), value);
    },
    () => put(values, key, structuredClone(chance.oneOf(Object.values(container)))),
    () => put(values, key, nearby(value, chance)),
    () => put(values, key, anything(chance)),
  ];
  chance.oneOf(changes)();
}

function nearby(value: unknown, chance: Chance): unknown {
  if (typeof value === "number") return value + chance.oneOf([-1, 1, 0.5, value, -2 * value]);
  return typeof value === "string" ? changedText(value, chance) : anything(chance);
}

/** As own keys, also those that objects have from elsewhere. */
function put(values: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(values, key, { value, enumerable: true, configurable: true, writable: true });
}

function changedText(text: string, chance: Chance): string {
  const at = chance.below(text.length + 1);
  return chance.oneOf([
    () => text.slice(0, at) + chance.oneOf(texts) + text.slice(at),
    () => text.slice(0, at),
    () => text + text,
    () => chance.oneOf(texts),
  ])();
}

const keys = [
  "__proto__",
  "constructor",
  "toString",
  "length",
  "",
  "file",
  "name",
  "0",
  "then",
  "hasOwnProperty",
  "valueOf",
  "\u0000",
  "\ud800",
  "format",
];
const texts = [
  "",
  "..",
  "../../escaped",
  "/etc/passwd",
  "a/../../b",
  "a\u0000b",
  "\ud800",
  "C:\\x",
  "-1",
  "1e400",
  "NaN",
  "é",
  "x".repeat(5000),
  "%s",
  "[",
  "(a+)+$",
  "__proto__",
];
const numbers = [
  0,
  -0,
  -1,
  1,
  2,
  3,
  7,
  8,
  255,
  256,
  0.5,
  1e-320,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  1e20,
  1e308,
  -1e308,
];

function anything(chance: Chance): unknown {
  return chance.oneOf<() => unknown>([
    () => chance.oneOf(numbers),
    () => chance.oneOf(numbers),
    () => chance.oneOf(texts),
    () => chance.oneOf([null, true, false, [], {}]),
    () => Array.from({ length: chance.below(6) }, () => chance.oneOf(numbers)),
    () => ({ [chance.oneOf(keys.slice(1))]: chance.oneOf(numbers), toString: 1, valueOf: 1 }),
    () => nested(5),
  ])();
}

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

/** What no value can be written as: numbers beyond all, keys twice, nesting beyond the stack. */
function raw(text: string, chance: Chance): string {
  return chance.oneOf([
    () => text.replace(/\d+/, () => chance.oneOf(["1e999", "-0", "00", "9".repeat(400), "1E-400", "NaN"])),
    () => text.replace(/"[^"]*":/, (key) => `${key}1,${key}`),
    () => text.replace(/:[^,}\]]*/, () => `:${"[".repeat(20_000)}${"]".repeat(20_000)}`),
    () => text.replace(/:[^,}\]]*/, () => `:${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`),
    () => `\ufeff${text}`,
    () => `${text} ${text}`,
  ])();
}

function isContainer(value: unknown): value is Container {
  return typeof value === "object" && value !== null;
}
