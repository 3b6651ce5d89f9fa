import { LuthierError } from "../error.js";

/** What may be spent on the quantized linears. */
export interface Budget {
  /** `bits` a weight, scales included; `bytes` as stored; `cycles` of a token on a target's device. */
  readonly unit: "bits" | "bytes" | "cycles";
  readonly amount: number;
}

const prefixes = { "": 1, k: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 } as const;

/**
 * Reads `3`, `3.2bits`, `1.4MiB`, `900kB`, `2.5Mcycles`.
 * @throws LuthierError (usage) for anything else.
 */
export function parseBudget(text: string): Budget {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(?:(bits)?|([kMG]i?)?(B|bytes)|([kMG])?(cycles))\s*$/.exec(text);
  const amount = Number(found?.[1]);
  if (found === null || !(amount > 0)) {
    throw new LuthierError(
      `'${text}' is no budget`,
      "give bits a weight (3, 3.2bits), bytes (1.4MiB, 900kB) or cycles a token (2.5Mcycles)",
      { usage: true },
    );
  }
  const [, , , bytesPrefix, bytes, cyclesPrefix, cycles] = found;
  const unit = bytes ? "bytes" : cycles ? "cycles" : "bits";
  return { unit, amount: amount * prefixes[(bytesPrefix ?? cyclesPrefix ?? "") as keyof typeof prefixes] };
}
