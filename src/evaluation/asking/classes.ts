import type { TextInput } from "../../model/model.js";
import type { Asking, PreparedQuestion } from "./asking.js";
import { framed } from "./framed.js";

interface PreparedClasses extends PreparedQuestion {
  readonly input: TextInput;
}

/**
 * What a classification head says of a text, or of two. Blanks at a text's ends are left out: SST-2 ends its sentences with one,
 * which byte-level tokenizers would make a token of.
 */
export const classes: Asking<"classes", PreparedClasses> = {
  prepare({ texts }, encoder) {
    const [first, second = null] = texts.map((text) => [...encoder.encode(text.trim())]);
    const { input, isCut } = framed(first, second, encoder);
    return { input, isCut, tokens: input.tokens.length, longest: input.tokens.length };
  },
  async answer(model, questions, _encoder, onProgress) {
    const logits = await model.readout(
      questions.map(({ input }) => input),
      onProgress,
    );
    return logits.map(({ data }) => ({ kind: "classes", logits: [...data] }));
  },
};
