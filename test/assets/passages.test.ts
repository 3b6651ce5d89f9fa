import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openTokenizer } from "../../src/checkpoint/tokenizer.js";
import { passageTokens } from "../../src/evaluation/asking/passage.js";
import { assets } from "./assets.js";

const plain = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

test.each([
  ["luthier-bert-sst2", 0.98],
  ["luthier-tiny-sst2", 1],
  ["stories260K", 1],
])(
  "%s: what stands at the places of an article's tokens is what they say, for a share of %f",
  async (name, share) => {
    const tokenizer = await openTokenizer(assets(name));
    const text = readFileSync(assets("data/wikitext-2-raw/test.txt"), "utf8").slice(0, 60_000);
    const { tokens, places } = passageTokens(text, tokenizer);
    expect(tokens).toEqual([...tokenizer.encode(text)]);
    let [judged, same] = [0, 0];
    for (const [at, [first, end]] of places.entries()) {
      const said = plain(tokenizer.decode([tokens[at]]).replace(/^##/, "").trim());
      // Blanks, unknown words, and bytes of a character.
      if (said === "" || said === "[unk]" || said.includes("\ufffd")) continue;
      const found = plain(text.slice(first, end));
      expect(found).toContain(said); // of a word with an unknown part each token stands for all of it
      judged++;
      if (found === said) same++;
    }
    expect(judged).toBeGreaterThan(10_000);
    expect(same / judged).toBeGreaterThanOrEqual(share);
  },
);
