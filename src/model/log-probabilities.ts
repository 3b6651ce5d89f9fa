import type { Matrix } from "../tensor/matrix.js";
import { eachLogits } from "./head.js";
import type { ModelParts } from "./parts.js";

/** Log-softmax at the targets of each batch, joined over parts of the tokens and of the vocabulary. */
export async function logProbabilities(
  hidden: readonly Matrix[],
  targets: readonly Int32Array[],
  parts: ModelParts,
): Promise<readonly Float32Array[]> {
  const logSumExps = targets.map(({ length }) => new Float64Array(length).fill(Number.NEGATIVE_INFINITY));
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
      if (inPart(id)) targetLogits[batch][at] = scored.targetLogits[t];
    }
  });
  return targetLogits.map((logits, batch) => logits.map((logit, t) => logit - logSumExps[batch][t]));
}

function logAddExp(a: number, b: number): number {
  const most = Math.max(a, b);
  return most + Math.log(Math.exp(a - most) + Math.exp(b - most));
}
