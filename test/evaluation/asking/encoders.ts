import type { SpecialTokens } from "../../../src/checkpoint/special-tokens.js";
import type { Encoder } from "../../../src/evaluation/asking/asking.js";
import type { Model } from "../../../src/model/model.js";

const none = { before: [], after: [] };

export const noSpecialTokens: SpecialTokens = {
  around: none,
  aroundPair: { ...none, between: [], marksSecond: false },
  prefix: 1,
  end: 2,
};

/** As BERT has them: 101 before, 102 after each text. */
export const bertTokens: SpecialTokens = {
  around: { before: [101], after: [102] },
  aroundPair: { before: [101], between: [102], after: [102], marksSecond: true },
  prefix: null,
  end: null,
};

/** A token a character, 1000 and its code. */
export function characterEncoder(changes: Partial<Encoder> = {}): Encoder {
  return {
    encode: (text) => Int32Array.from(text.split(""), (each) => 1000 + each.charCodeAt(0)),
    decode: (ids) => Array.from(ids, (id) => String.fromCharCode(id - 1000)).join(""),
    special: noSpecialTokens,
    contextLength: 64,
    ...changes,
  };
}

/** A model of which only some functions are asked. */
export function modelWith(functions: Partial<Model>): Model {
  return functions as Model;
}
