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

/** Timings that count, the last ones: small shares say little but of what is around them. */
const mostCounted = 3;

/**
 * What the whole takes: `a · share^p + b · share^q`, fitted to the last timings by least squares with the weights `share^−p`, and
 * with no part below zero. What was done whole counts as it was timed.
 */
export function wholeSeconds(timings: readonly Timing[], growth: Growth): number {
  const [p, q] = growths[growth];
  const last = timings[timings.length - 1];
  if (last.share === 1) return last.seconds;
  const counted = timings.slice(-mostCounted);
  const sum = (power: number) => counted.reduce((all, { share }) => all + share ** power, 0);
  const times = (power: number) =>
    counted.reduce((all, { share, seconds }) => all + seconds * share ** power, 0);
  const [high, mixed, low] = [sum(p), sum(q), sum(2 * q - p)];
  const determinant = high * low - mixed * mixed;
  const a = (times(0) * low - times(q - p) * mixed) / determinant;
  const b = (times(q - p) * high - times(0) * mixed) / determinant;
  if (counted.length === 1 || b <= 0) return times(0) / high;
  return a <= 0 ? times(q - p) / low : a + b;
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
