import type { Candidate } from "./candidates.js";
import type { Assignment } from "./measure-divergences.js";

/** A rule of the recipe to be: the linears that it decides, and what they become. */
export interface GroupedRule {
  /** Names and patterns, as `match` has them. */
  readonly match: readonly string[];
  readonly candidate: Candidate;
  /** The linears that no earlier rule decides. */
  readonly linears: readonly string[];
}

/**
 * Few rules for what every linear becomes; the first that matches a linear decides. Of each kind of linear (`q_proj` of all
 * blocks) the commonest candidate gets the kind's pattern, after the exceptions by their names; the candidate that most
 * kinds have is the last rule, for all.
 */
export function groupedRules(assignment: Assignment): readonly GroupedRule[] {
  const kinds = new Map<string, string[]>();
  for (const linear of assignment.keys())
    kinds.set(kindOf(linear), [...(kinds.get(kindOf(linear)) ?? []), linear]);
  const exceptions = new Map<string, string[]>();
  const patterns = new Map<string, string[]>();
  for (const [kind, linears] of kinds) {
    const counts = countsOf(linears, assignment);
    const [usual] = counts;
    append(patterns, usual, kind);
    for (const linear of linears) {
      const { key } = of(assignment, linear);
      if (key !== usual) append(exceptions, key, linear);
    }
  }
  const byKey = new Map([...assignment.values()].map((candidate) => [candidate.key, candidate]));
  const [most, ...others] = [...patterns.keys()].sort(
    (a, b) => (patterns.get(b)?.length ?? 0) - (patterns.get(a)?.length ?? 0),
  );
  const rules: readonly (readonly [string, readonly string[]])[] = [
    ...exceptions,
    ...others.map((key) => [key, patterns.get(key) ?? []] as const),
    [most, ["*"]],
  ];
  const decided = new Set<string>();
  return rules.map(([key, match]) => {
    const linears = [...assignment.keys()].filter((linear) => {
      const isHere = match.includes(linear) || match.includes(kindOf(linear)) || match.includes("*");
      return isHere && !decided.has(linear);
    });
    for (const linear of linears) decided.add(linear);
    return { match, candidate: byKey.get(key) as Candidate, linears };
  });
}

/** `*.mlp.down_proj` of `model.layers.3.mlp.down_proj`; a name without a number is a kind of its own. */
function kindOf(linear: string): string {
  return linear.replace(/^.*?\.\d+(?=\.)/, "*");
}

/** Keys of what these linears become, the commonest first. */
function countsOf(linears: readonly string[], assignment: Assignment): readonly string[] {
  const counts = new Map<string, number>();
  for (const linear of linears) {
    const { key } = of(assignment, linear);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts.keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0));
}

function of(assignment: Assignment, linear: string): Candidate {
  const found = assignment.get(linear);
  if (found === undefined) throw new RangeError(`${linear} becomes nothing`);
  return found;
}

function append(lists: Map<string, string[]>, key: string, value: string): void {
  lists.set(key, [...(lists.get(key) ?? []), value]);
}
