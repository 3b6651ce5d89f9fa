import { LuthierError } from "../error.js";
import { readBounded } from "./bounded-file.js";

/** The largest JSON file that is read: tokenizers of 250,000 tokens with their merges take about 35 MB. */
const jsonBytesLimit = 200e6;

/** @throws LuthierError when the file cannot be read, is not UTF-8, is not JSON, or is JSON but no object. */
export async function readJsonObject(file: string): Promise<Record<string, unknown>> {
  return parseJsonObject(await readBounded(file, jsonBytesLimit), file);
}

/** @param what names the text in errors: a file, or a part of one. */
export function parseJsonObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new LuthierError(`${what} is not JSON: ${(error as Error).message}`, fetchAgain, { cause: error });
  }
  if (!isJsonObject(value)) throw new LuthierError(`${what} is JSON, but not an object`, fetchAgain);
  return value;
}

/**
 * As `JSON.parse`, for texts of strangers: values that are nested deeper than any format has them are refused, because
 * whatever walks them later, an error message too, would run out of stack.
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (isNestedBeyond(text, depthLimit)) {
    throw new SyntaxError(`its values are nested in more than ${depthLimit} others`);
  }
  return value;
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A key that some object of a JSON text holds twice, or null. `JSON.parse` keeps the last one silently, so that two
 * readers may disagree about what a file says. `json` must be valid JSON.
 */
export function duplicateKey(json: string): string | null {
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === "{") open.push(new Set());
    else if (character === "}") open.pop();
    else if (character === '"') {
      const end = endOfString(json, at);
      if (isKey(json, end)) {
        const keys = open[open.length - 1];
        const key = JSON.parse(json.slice(at, end)) as string;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      at = end - 1;
    }
  }
  return null;
}

const depthLimit = 100;

/** @param json must be valid. */
function isNestedBeyond(json: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') at = endOfString(json, at) - 1;
    else if (character === "[" || character === "{") depth++;
    else if (character === "]" || character === "}") depth--;
    if (depth > limit) return true;
  }
  return false;
}

const fetchAgain = "The file is damaged or of another kind: fetch it again from where it came.";

/** The index behind the closing quote of the string that opens at `at`. */
function endOfString(json: string, at: number): number {
  let end = at + 1;
  while (json[end] !== '"') end += json[end] === "\\" ? 2 : 1;
  return end + 1;
}

function isKey(json: string, afterString: number): boolean {
  let at = afterString;
  while (json[at] === " " || json[at] === "\n" || json[at] === "\r" || json[at] === "\t") at++;
  return json[at] === ":";
}
