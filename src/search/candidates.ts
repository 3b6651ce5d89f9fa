import { LuthierError } from "../error.js";
import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import { calibratedQuantizerOf, targetOf } from "../pipeline/choices.js";
import { designOf } from "../pipeline/estimate-linears.js";
import { sharingOf } from "../pipeline/place.js";
import { type PlannedQuantization, quantizationOf } from "../pipeline/plan-linear.js";
import type { Problem } from "../pipeline/problems.js";
import { candidatesSchema, type Quantizing, type TargetChoice } from "../recipe/schema.js";
import { describeActivation, isStatic } from "../schemes/activation.js";
import type { LinearOutline } from "../schemes/scheme.js";
import { describeWeight, storedBytes } from "../schemes/weights.js";
import { cyclesOf } from "../targets/cost.js";
import type { Device } from "../targets/device.js";

/** What a linear may become, and what that costs. */
export interface Candidate {
  readonly quantizing: Quantizing;
  /** The same of all linears that it fits: what it is known by in files. */
  readonly key: string;
  /** `rtn: int3 g128`. */
  readonly name: string;
  readonly planned: PlannedQuantization;
  /** As stored, scales included; the most, where the method chooses its scheme by the weights. */
  readonly bytes: number;
  /** Of one token on the target's device; null where none is given. */
  readonly cycles: number | null;
}

/** A linear with all that it may become. */
export interface SearchedLinear {
  readonly linear: LinearInfo;
  readonly candidates: readonly Candidate[];
}

/** Where the result is to run. */
export interface SearchTarget {
  readonly choice: TargetChoice;
  /** Null where no cycles are asked for. */
  readonly device: Device | null;
}

/**
 * For every linear in the model's blocks the candidates that fit it, and the target if there is one.
 * @throws LuthierError (usage) when a linear has none, with the reasons.
 */
export function fittingCandidates(
  { blocks, ...description }: ModelDescription,
  quantizings: readonly Quantizing[],
  target: SearchTarget | null,
): readonly SearchedLinear[] {
  const searched: SearchedLinear[] = [];
  const device = target?.device ?? null;
  for (const block of blocks) {
    for (const linear of block) {
      const problems: Problem[] = [];
      const candidates = quantizings.flatMap((quantizing): Candidate | readonly [] => {
        const planned = plannedFor(linear, quantizing, { blocks, ...description }, target, problems);
        if (planned === null) return [];
        const schemes = [planned.weight, ...planned.alternatives];
        return {
          quantizing,
          key: JSON.stringify(quantizing),
          name: nameOf(planned),
          planned,
          bytes: Math.max(...schemes.map(storedBytes)),
          cycles:
            target && device
              ? Math.max(
                  ...schemes.map((weight) =>
                    cyclesOn(linear, { ...planned, weight }, block, target.choice, device),
                  ),
                )
              : null,
        };
      });
      if (candidates.length === 0) throw nothingFits(linear, problems);
      searched.push({ linear, candidates: distinguished(candidates) });
    }
  }
  return searched;
}

/** Whether a candidate is fitted to calibration text. */
export function isFittedToText({ planned }: Candidate): boolean {
  return calibratedQuantizerOf(planned.choice) !== null;
}

/**
 * What is chosen from when nothing is said: compensated methods from 1.7 to 6 bits that aim at the float model, the middle
 * ones with scales of groups and of rows; with a target what it takes of them, and its typical rule with other bits.
 */
export function defaultCandidates(
  description: ModelDescription,
  choice: TargetChoice | null,
): readonly Quantizing[] {
  const group = commonGroup(description);
  const groups = group === "row" ? [group] : [group, "row"];
  const methods = [
    { method: "compensated-trit-planes", planes: 1, group },
    { method: "compensated-bcq", planes: 2, group: "row" },
    ...groups.map((each) => ({ method: "gptq", bits: 3, group: each, clip: true })),
    ...groups.map((each) => ({ method: "compensated-trit-planes", planes: 2, group: each })),
    ...groups.map((each) => ({ method: "gptq", bits: 4, group: each, clip: true })),
    { method: "gptq", bits: 6, group },
  ].map((each) => ({ ...each, aim: "float" }));
  if (choice === null) return candidatesSchema.parse(methods.map((quantize) => ({ quantize })));
  const { typical } = targetOf(choice).target;
  const like = (option: string, values: readonly number[]) =>
    option in typical.quantize ? values.map((value) => ({ ...typical.quantize, [option]: value })) : [];
  const quantizes = [
    typical.quantize,
    ...like("bits", [1, 2, 3, 4, 6, 8]),
    ...like("planes", [1, 2, 3, 4]),
    ...methods,
  ];
  const parsed = quantizes.flatMap((quantize) => {
    const found = candidatesSchema.safeParse([
      { quantize, ...(typical.activation && { activation: typical.activation }) },
    ]);
    return found.success ? found.data : []; // no such number of planes or bits
  });
  return [...new Map(parsed.map((each) => [JSON.stringify(each), each])).values()];
}

/** The largest usual group that divides every input. */
function commonGroup({ blocks }: ModelDescription): number | "row" {
  const fits = (group: number) => blocks.flat().every(({ columns }) => columns % group === 0);
  return [128, 64, 32, 16].find(fits) ?? "row";
}

function plannedFor(
  linear: LinearInfo,
  quantizing: Quantizing,
  description: ModelDescription,
  target: SearchTarget | null,
  problems: Problem[],
): PlannedQuantization | null {
  const before = problems.length;
  const given = { description, stored: new Map(), targets: target ? [target.choice] : [] };
  const planned = quantizationOf(linear, quantizing, given, problems);
  const unknown = planned && onlyKnownInRun(planned);
  if (unknown) problems.push({ linear: linear.name, ...unknown });
  return problems.length > before ? null : planned;
}

/** What a candidate cannot be measured by: known only when a run goes through all linears. */
function onlyKnownInRun({ weight, activation }: LinearOutline): Omit<Problem, "linear"> | null {
  if (weight.scheme === "parts") {
    return {
      reason: "how much each part of it has is known only in a run, and so are its bytes",
      fix: "take methods of one scheme",
    };
  }
  if (!isStatic(activation)) return null;
  return {
    reason: "its input has one scale for everything, which is measured only in a run",
    fix: "use `per: token`, or a number of inputs",
  };
}

/** @throws LuthierError (usage) when the target has no cycles on this device. */
function cyclesOn(
  linear: LinearInfo,
  { weight, activation }: LinearOutline,
  block: readonly LinearInfo[],
  choice: TargetChoice,
  device: Device,
): number {
  const { target, parameters } = targetOf(choice);
  const { cost } = target;
  if (cost === undefined) {
    throw new LuthierError(`there is no cost model for ${target.name}`, "leave out --device", {
      usage: true,
    });
  }
  const product = { weight, activation, parameters, tokens: 1, sharing: sharingOf(linear, block) };
  const refused = cost.refuse(product, device);
  if (refused) throw new LuthierError(`${linear.name}: ${refused.reason}`, refused.fix, { usage: true });
  return cyclesOf(cost.of(product, device, designOf(target, cost, device)));
}

function nameOf({ choice, weight, activation }: PlannedQuantization): string {
  const input = activation.scheme === "float" ? "" : `, input ${describeActivation(activation)}`;
  return `${choice.method}: ${describeWeight(weight)}${input}`;
}

/** Of candidates with one name, each says the options that tell it from the others. */
function distinguished(candidates: readonly Candidate[]): readonly Candidate[] {
  return candidates.map((candidate) => {
    const same = candidates.filter(({ name }) => name === candidate.name);
    const differing = Object.entries(candidate.quantizing.quantize).filter(([option, value]) =>
      same.some(({ quantizing }) =>
        Object.entries(quantizing.quantize).every(([key, other]) => key !== option || other !== value),
      ),
    );
    const options = differing.map(([option, value]) => `, ${option} ${value}`).join("");
    return { ...candidate, name: candidate.name + options };
  });
}

function nothingFits({ name }: LinearInfo, problems: readonly Problem[]): LuthierError {
  const reasons = [...new Set(problems.map(({ reason, fix }) => `  ${reason} — ${fix}`))];
  return new LuthierError(
    `no candidate fits ${name}:\n${reasons.join("\n")}`,
    "give others with --candidates; it takes a YAML file, or a list written in its place",
    { usage: true },
  );
}
