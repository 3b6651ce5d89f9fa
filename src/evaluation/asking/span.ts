import type { TextInput } from "../../model/model.js";
import type { Matrix } from "../../tensor/matrix.js";
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

/* The windows and limits of transformers' question-answering example (run_qa.py and utils_qa.py). */

/** Tokens of a window, question included. */
const windowTokens = 384;
/** Tokens that neighbouring windows share. */
const shared = 128;
/** Tokens of an answer. */
const longestAnswer = 30;
/** Starts and ends that are paired, among all tokens of a window. */
const best = 20;

/** The span that a question-answering head sees, over windows of the passage. */
export const span: Asking<"span", PreparedSpan> = {
  prepare({ question, passage }, encoder) {
    const contextLength = Math.min(windowTokens, encoder.contextLength);
    const whole = [...encoder.encode(question.trimStart())];
    // Half a window at least is the passage's; run_qa.py has no room left for it, and stops.
    const asked = whole.slice(0, Math.floor(contextLength / 2));
    const { tokens, places } = passageTokens(passage, encoder);
    const { before, between, after } = encoder.special.aroundPair;
    const offset = before.length + asked.length + between.length;
    const room = Math.max(1, contextLength - offset - after.length);
    const step = room - Math.min(shared, Math.floor(room / 2));
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
      isCut: asked.length < whole.length,
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
 * The span whose start and end logits are largest together, over all windows, the first of equals; how much speaks for no
 * answer is the least of what the windows' first tokens say. Sums are float32, and where the likely starts and ends make no
 * span the answer is "empty" with 0, both as `postprocess_qa_predictions` has it.
 *
 * @param windows with `[tokens, 2]` start and end logits.
 */
export function bestSpan(
  passage: string,
  windows: readonly (Pick<PassageWindow, "offset" | "places"> & { readonly logits: Matrix })[],
): SpanAnswer {
  let noAnswerScore = Number.POSITIVE_INFINITY;
  let found: { readonly score: number; readonly text: string } | null = null;
  for (const { offset, places, logits } of windows) {
    const [startLogits, endLogits] = [columnOf(logits, 0), columnOf(logits, 1)];
    noAnswerScore = Math.min(noAnswerScore, Math.fround(startLogits[0] + endLogits[0]));
    const isOfPassage = (token: number) => token >= offset && token < offset + places.length;
    const ends = largest(endLogits).filter(isOfPassage);
    for (const start of largest(startLogits).filter(isOfPassage)) {
      for (const end of ends) {
        if (end < start || end - start + 1 > longestAnswer) continue;
        const score = Math.fround(startLogits[start] + endLogits[end]);
        const text = passage.slice(places[start - offset][0], places[end - offset][1]);
        if (text !== "" && (found === null || score > found.score)) found = { score, text };
      }
    }
  }
  return { kind: "span", ...(found ?? { score: 0, text: "empty" }), noAnswerScore };
}

function columnOf({ rows, columns, data }: Matrix, column: number): Float32Array {
  return Float32Array.from({ length: rows }, (_, row) => data[row * columns + column]);
}

/** The places of the largest values, at most `best`, in falling order; the first of equal ones first. */
function largest(values: Float32Array): readonly number[] {
  return Array.from(values.keys())
    .sort((a, b) => values[b] - values[a] || a - b)
    .slice(0, best);
}
