import type { Matrix } from "../tensor/matrix.js";
import { eachLogits } from "./head.js";
import type { ModelParts } from "./parts.js";

/** How the tokens that follow are scored, one value a position. */
export interface TargetScores {
  /** Natural log. */
  readonly logProbabilities: Float32Array;
  /** Whether no token is more likely. */
  readonly isMostLikely: readonly boolean[];
}

/** Log-softmax at the targets of each batch, joined over parts of the tokens and of the vocabulary. */
export async function targetScores(
  hidden: readonly Matrix[],
  targets: readonly Int32Array[],
  parts: ModelParts,
): Promise<readonly TargetScores[]> {
  const lowest = () => targets.map(({ length }) => new Float64Array(length).fill(Number.NEGATIVE_INFINITY));
  const [logSumExps, most] = [lowest(), lowest()];
  const targetLogits = targets.map(({ length }) => new Float32Array(length));
  await eachLogits(hidden, parts, async ({ batch, firstToken, firstId, logits }) => {
    const local = targets[batch]
      .subarray(firstToken, firstToken + logits.rows)
      .map((target) => target - firstId);
    const inPart = (id: number) => id >= 0 && id < logits.columns;
    const scored = await parts.ops.score(
      logits,
      local.map((id) => (inPart(id) ? id : 0)),
    );
    for (const [t, id] of local.entries()) {
      const at = firstToken + t;
      logSumExps[batch][at] = logAddExp(logSumExps[batch][at], scored.logSumExp[t]);
      most[batch][at] = Math.max(most[batch][at], scored.most[t]);
      if (inPart(id)) targetLogits[batch][at] = scored.targetLogits[t];
    }
  });
  return targetLogits.map((logits, batch) => ({
    logProbabilities: logits.map((logit, t) => logit - logSumExps[batch][t]),
    isMostLikely: Array.from(logits, (logit, t) => logit >= most[batch][t]),
  }));
}

function logAddExp(a: number, b: number): number {
  const most = Math.max(a, b);
  return most + Math.log(Math.exp(a - most) + Math.exp(b - most));
}
