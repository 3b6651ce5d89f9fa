import path from "node:path";
import { z } from "zod";
import { readRecord } from "../pipeline/record.js";

/* `search.json`, read back: what a search measured and found. Only what a report shows is looked at. */

const scored = z.looseObject({
  bitsPerWeight: z.number(),
  /** Measured, nats a token. */
  divergence: z.number(),
});

const searchFile = z.looseObject({
  model: z.string(),
  text: z.looseObject({ name: z.string(), probedTokens: z.number() }),
  found: scored,
  uniform: z.array(scored.extend({ candidate: z.looseObject({ name: z.string() }) })),
  compared: z.array(scored.extend({ name: z.string() })),
  linears: z.array(
    z
      .looseObject({
        name: z.string(),
        weights: z.number(),
        options: z
          .array(
            z.looseObject({
              candidate: z.looseObject({ name: z.string() }),
              bitsPerWeight: z.number(),
              /** Predicted, nats a token. */
              loss: z.number(),
              /** Of the linear's outputs. */
              error: z.number(),
            }),
          )
          .min(1),
        chosen: z.int().min(0),
      })
      .refine(({ options, chosen }) => chosen < options.length, "no such option"),
  ),
});

export type SearchFile = z.infer<typeof searchFile>;

/** What the search that made a recipe left beside it; null where none did. @throws LuthierError when it is damaged. */
export function searchBeside(recipe: string): Promise<SearchFile | null> {
  if (!/\.ya?ml$/.test(recipe)) return Promise.resolve(null);
  return readRecord(path.join(path.dirname(recipe), "search.json"), searchFile, "delete it, or search again");
}
