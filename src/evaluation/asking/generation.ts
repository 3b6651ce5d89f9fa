import type { ContinuationInput } from "../../model/continuations.js";
import type { Model } from "../../model/model.js";
import type { Asking, Encoder, PreparedQuestion } from "./asking.js";
import { continuationInput, prefixOf } from "./choices.js";

interface PreparedGeneration extends PreparedQuestion {
  readonly context: Int32Array;
  readonly stops: readonly string[];
  readonly mostTokens: number;
  readonly alternative: ContinuationInput | null;
}

/** Greedy continuations. Nothing is kept from one token to the next: every token costs its whole context again. */
export const generation: Asking<"generation", PreparedGeneration> = {
  prepare({ context, stops, mostTokens, alternative }, encoder) {
    const { special, contextLength } = encoder;
    const all = Int32Array.of(...special.around.before, ...encoder.encode(context));
    const seen = all.length === 0 ? Int32Array.of(prefixOf(special)) : all;
    // Of a long context the end is kept, with room for what is generated.
    const kept = seen.slice(-Math.max(1, contextLength - mostTokens));
    const most = Math.min(mostTokens, contextLength + 1 - kept.length); // the last token is not computed
    const other = alternative === null ? null : continuationInput(context, alternative, encoder).input;
    return {
      context: kept,
      stops,
      mostTokens: most,
      alternative: other,
      tokens: kept.length + most, // each once, though a token costs all before it: so questions are generated for together
      longest: kept.length,
      isCut: kept.length < seen.length,
    };
  },
  async answer(model, questions, encoder, onProgress) {
    const others = await model.continuations(questions.flatMap(({ alternative }) => alternative ?? []));
    const texts = await generate(model, questions, encoder, onProgress);
    let first = 0;
    return questions.map(({ alternative }, at) => ({
      kind: "generation",
      text: texts[at],
      alternativeLogLikelihood: alternative === null ? null : others[first++].logLikelihood,
    }));
  },
};

/** Texts up to their first stop; all questions go on by a token at a time, together. */
async function generate(
  model: Model,
  questions: readonly PreparedGeneration[],
  { decode, special }: Encoder,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<readonly string[]> {
  const generated = questions.map((): number[] => []);
  const texts = questions.map(() => "");
  let open = [...questions.keys()];
  const total = Math.max(0, ...questions.map(({ mostTokens }) => mostTokens));
  for (let step = 0; open.length > 0; step++) {
    onProgress(step, total);
    open.sort((a, b) => questions[a].context.length - questions[b].context.length || a - b);
    const windows = open.map((at) => Int32Array.of(...questions[at].context, ...generated[at]));
    const next = await model.next(windows);
    open = open.filter((at, i) => {
      if (next[i] === special.end) return false;
      generated[at].push(next[i]);
      const text = decode(generated[at]);
      const stop = firstStop(text, questions[at].stops);
      texts[at] = stop === null ? text : text.slice(0, stop);
      return stop === null && generated[at].length < questions[at].mostTokens;
    });
  }
  onProgress(total, total);
  return texts;
}

/** Where the first of the stops stands in a text; null without any. */
function firstStop(text: string, stops: readonly string[]): number | null {
  // An empty one stops nothing, as in lm-evaluation-harness.
  const places = stops.map((stop) => (stop === "" ? -1 : text.indexOf(stop))).filter((at) => at >= 0);
  return places.length === 0 ? null : Math.min(...places);
}
