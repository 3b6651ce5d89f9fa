/** Below each bound `slope · x + intercept`; the first bound that x lies below decides (silu/silu.h). */
const segments = [
  { below: -8, slope: 0, intercept: 0 },
  { below: -4, slope: -0.017316, intercept: -0.141207 },
  { below: -2, slope: -0.083231, intercept: -0.404867 },
  { below: -1, slope: -0.030536, intercept: -0.299477 },
  { below: 0, slope: 0.268941, intercept: 0 },
  { below: 1, slope: 0.731059, intercept: 0 },
  { below: 2, slope: 1.030536, intercept: -0.299477 },
  { below: 4, slope: 1.083231, intercept: -0.404867 },
  { below: Number.POSITIVE_INFINITY, slope: 1, intercept: 0 },
].map(({ below, slope, intercept }) => ({
  below,
  slope: Math.fround(slope),
  intercept: Math.fround(intercept),
}));

/** SiLU in nine straight lines, product and sum rounded to float32 each. @param x a float32. */
export function silu(x: number): number {
  const { slope, intercept } = segments.find(({ below }) => x < below) ?? segments[segments.length - 1];
  return Math.fround(Math.fround(slope * x) + intercept);
}
