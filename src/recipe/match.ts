import type { Rule } from "./schema.js";

/** The first rule that matches a linear's name, by its place; −1 when none does. */
export function ruleFor(name: string, rules: readonly Rule[]): number {
  return rules.findIndex((rule) => patternsOf(rule).some((pattern) => matches(pattern, name)));
}

export function patternsOf(rule: Rule): readonly string[] {
  return typeof rule.match === "string" ? [rule.match] : rule.match;
}

/** `*` stands for any run of characters, dots included; everything else for itself. */
export function matches(pattern: string, name: string): boolean {
  const [head, ...tail] = pattern.split("*");
  if (!name.startsWith(head)) return false;
  let at = head.length;
  for (const [index, part] of tail.entries()) {
    // The last part must end the name, all others are taken at their first place.
    const found = index === tail.length - 1 ? name.length - part.length : name.indexOf(part, at);
    if (found < at || !name.startsWith(part, found)) return false;
    at = found + part.length;
  }
  return at === name.length;
}
