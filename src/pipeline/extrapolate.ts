/** How long a share of something took, of which 1 is the whole. */
export interface Timing {
  readonly share: number;
  readonly seconds: number;
}

/**
 * How seconds grow with the share, as the sum of two of its powers, the higher first. `sides`: matrices whose sides all have the
 * share, cubes of products and squares of passes over them. `rows`: work that is alike for each, and what comes before it.
 */
export const growths = { sides: [3, 2], rows: [1, 0] } as const;
export type Growth = keyof typeof growths;

/**
 * What the whole takes: `a · share^p + b · share^q` through the last two timings, with no part below zero; all of the higher power
 * where there is one.
 */
export function wholeSeconds(timings: readonly Timing[], growth: Growth): number {
  const [high, low] = growths[growth];
  const last = timings[timings.length - 1];
  const before = timings[timings.length - 2];
  const alone = last.seconds / last.share ** high;
  if (before === undefined || last.share === 1) return alone;
  // Both divided by share^low: a straight line over share^(high - low), whose slope is a.
  const [x, y] = [last.share ** (high - low), last.seconds / last.share ** low];
  const [xBefore, yBefore] = [before.share ** (high - low), before.seconds / before.share ** low];
  const a = (y - yBefore) / (x - xBefore);
  const b = y - a * x;
  if (b <= 0) return alone;
  return a <= 0 ? y : a + b;
}

/** How often a share is timed at most, and for how long together: the least counts, for others use the machine too. */
const mostTimes = 3;
const repeatedSeconds = 0.05;

/** One timing alone would not say how seconds grow. */
const fewestTimings = 2;

/**
 * Times growing shares of something, two at least where there are as many, and more as long as the next is likely to end in time.
 * @param shares rising, at most 1.
 * @param prepare what is not timed; gives what is.
 */
export async function timingsOf(
  shares: readonly number[],
  growth: Growth,
  budgetSeconds: number,
  prepare: (share: number) => Promise<() => Promise<unknown>>,
): Promise<readonly Timing[]> {
  const begun = performance.now();
  const left = () => budgetSeconds - secondsSince(begun);
  const timings: Timing[] = [];
  for (const share of shares) {
    const last = timings.at(-1);
    const expected = last ? last.seconds * (share / last.share) ** growths[growth][0] : 0;
    if (timings.length >= fewestTimings && expected > left()) break;
    const work = await prepare(share);
    const first = performance.now();
    let least = await secondsOf(work);
    const isCold = last === undefined && least < left() / 2; // it was compiled at the same time
    for (let times = 1; times < mostTimes; times++) {
      if (secondsSince(first) >= repeatedSeconds && !(isCold && times === 1)) break;
      least = Math.min(least, await secondsOf(work));
    }
    timings.push({ share, seconds: least });
  }
  return timings;
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return secondsSince(started);
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}

/** `first`, twice and four times as many …, and all. */
export function doubled(first: number, all: number): readonly number[] {
  const counts: number[] = [];
  for (let count = first; count < all; count *= 2) counts.push(count);
  return [...counts, all];
}
