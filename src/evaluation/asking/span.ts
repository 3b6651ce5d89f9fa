import type { TextInput } from "../../model/model.js";
import { type Matrix, rowsOf } from "../../tensor/matrix.js";
import type { SpanAnswer } from "../question.js";
import type { Asking, PreparedQuestion } from "./asking.js";
import { framed } from "./framed.js";
import { type PassageTokens, passageTokens } from "./passage.js";

interface PreparedSpan extends PreparedQuestion {
  readonly passage: string;
  readonly windows: readonly PassageWindow[];
}

/** A question with a part of its passage. */
interface PassageWindow {
  readonly input: TextInput;
  /** Where the passage's part begins among the input's tokens. */
  readonly offset: number;
  /** Of the tokens of that part where they stand in the passage. */
  readonly places: PassageTokens["places"];
}

/* The windows and limits of transformers' question-answering example (run_qa.py). */

/** Tokens of a window, question included. */
const windowTokens = 384;
/** Tokens that neighbouring windows share. */
const shared = 128;
/** Tokens of an answer. */
const longestAnswer = 30;
/** Starts and ends that are paired. */
const best = 20;
const longestQuestion = 64;

/** The span that a question-answering head sees, over windows of the passage. */
export const span: Asking<"span", PreparedSpan> = {
  prepare({ question, passage }, encoder) {
    const asked = [...encoder.encode(question.trim())].slice(0, longestQuestion);
    const { tokens, places } = passageTokens(passage, encoder);
    const { before, between, after } = encoder.special.aroundPair;
    const offset = before.length + asked.length + between.length;
    const contextLength = Math.min(windowTokens, encoder.contextLength);
    const room = Math.max(1, contextLength - offset - after.length);
    const step = Math.max(1, room - shared);
    const windows: PassageWindow[] = [];
    for (let first = 0; first === 0 || first + room - step < tokens.length; first += step) {
      const part = tokens.slice(first, first + room);
      const { input } = framed(asked, part, { ...encoder, contextLength });
      windows.push({ input, offset, places: places.slice(first, first + room) });
    }
    return {
      passage,
      windows,
      tokens: windows.reduce((sum, { input }) => sum + input.tokens.length, 0),
      longest: Math.max(...windows.map(({ input }) => input.tokens.length)),
      isCut: false,
    };
  },
  async answer(model, questions, _encoder, onProgress) {
    const windows = questions.flatMap((each) => each.windows);
    const order = [...windows.keys()].sort((a, b) => lengthOf(windows[a]) - lengthOf(windows[b]) || a - b);
    const inOrder = await model.readout(
      order.map((at) => windows[at].input),
      onProgress,
    );
    const logits = new Map(order.map((at, i) => [at, inOrder[i]]));
    let first = 0;
    return questions.map(({ passage, windows: own }) => {
      const answer = bestSpan(
        passage,
        own.map((window, i) => ({ ...window, logits: logits.get(first + i)! })),
      );
      first += own.length;
      return answer;
    });
  },
};

function lengthOf({ input }: PassageWindow): number {
  return input.tokens.length;
}

/**
 * The span whose start and end logits are largest together, over all windows; how much speaks for no answer is the least of
 * what the windows' first tokens say.
 *
 * @param windows with `[tokens, 2]` start and end logits.
 */
export function bestSpan(
  passage: string,
  windows: readonly (Pick<PassageWindow, "offset" | "places"> & { readonly logits: Matrix })[],
): SpanAnswer {
  let noAnswerScore = Number.POSITIVE_INFINITY;
  let found = { score: Number.NEGATIVE_INFINITY, first: 0, end: 0 };
  for (const { offset, places, logits } of windows) {
    const at = (token: number) => rowsOf(logits, token, token + 1).data;
    noAnswerScore = Math.min(noAnswerScore, at(0)[0] + at(0)[1]);
    const starts = largest(places.length, (i) => at(offset + i)[0]);
    const ends = largest(places.length, (i) => at(offset + i)[1]);
    for (const start of starts) {
      for (const end of ends) {
        if (end < start || end - start + 1 > longestAnswer) continue;
        const score = at(offset + start)[0] + at(offset + end)[1];
        if (score > found.score) found = { score, first: places[start][0], end: places[end][1] };
      }
    }
  }
  return { kind: "span", text: passage.slice(found.first, found.end), score: found.score, noAnswerScore };
}

/** The indices of the largest values, at most `best`; the first of equal ones. */
function largest(count: number, value: (index: number) => number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i)
    .sort((a, b) => value(b) - value(a) || a - b)
    .slice(0, best);
}
