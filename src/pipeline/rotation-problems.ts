import type { ModelDescription } from "../model/architecture.js";
import type { TransformChoice } from "../recipe/schema.js";
import { foldNorms } from "../transforms/fold-norms.js";
import { hadamard, hadamardOf } from "../transforms/hadamard.js";
import type { Problem } from "./problems.js";

/** Why a model cannot be rotated as a recipe says, or not together with its other transforms. */
export function rotationProblems(
  description: ModelDescription,
  transforms: readonly TransformChoice[],
): readonly Problem[] {
  const chosen = hadamardOf(transforms);
  if (chosen === null) return [];
  return [...clashes(transforms, chosen.online), ...normsBetween(description)];
}

function clashes(transforms: readonly TransformChoice[], online: boolean): readonly Problem[] {
  const names = transforms.map(({ transform }) => transform);
  const [before, ...after] = split(names);
  if (after.length > 1) {
    return [problem(hadamard.name, "the recipe has it more than once", "leave one of them in `transforms`")];
  }
  const mixed = before
    .filter((name) => name !== foldNorms.name)
    .map((name) =>
      problem(
        name,
        `${hadamard.name} after it mixes the channels that it sets`,
        `put it after ${hadamard.name}`,
      ),
    );
  const late = (online ? after.flat() : []).map((name) =>
    problem(
      name,
      `${hadamard.name} before it leaves weights whose columns are no channels, with \`online: true\``,
      "remove one of the two, or set `online: false`",
    ),
  );
  return [...mixed, ...late];
}

/** The names before a rotation, and those after each. */
function split(names: readonly string[]): readonly (readonly string[])[] {
  const parts: string[][] = [[]];
  for (const name of names) {
    if (name === hadamard.name) parts.push([]);
    else parts[parts.length - 1].push(name);
  }
  return parts;
}

/** Norms within attention or the feed-forward layer (BitNet): their channels are what would be rotated. */
function normsBetween({ blocks, channels }: ModelDescription): readonly Problem[] {
  const residual = channels.find(({ name }) => name === "residual");
  if (residual === undefined) return [];
  const known = new Set(residual.places.map(({ tensor }) => tensor));
  return blocks.flat().flatMap(({ name, norm }) => {
    if (norm === null || known.has(norm)) return [];
    const reason = `its input comes out of a norm of its own (${norm.split(".").at(-2)}), whose channels cannot be rotated`;
    return { linear: name, reason, fix: `remove ${hadamard.name} from \`transforms\`` };
  });
}

function problem(transform: string, reason: string, fix: string): Problem {
  return { linear: `transform ${transform}`, reason, fix };
}
