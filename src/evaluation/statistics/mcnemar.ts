/**
 * McNemar's exact test: how probable is it that of the examples that only one of two models gets right, the shares are at
 * least as uneven as these, were each as likely to go to either model (Dietterich, Neural Computation 10(7), 1998, section 3.1,
 * with the binomial distribution itself in place of χ²)? Two-sided: twice the smaller tail, at most 1.
 *
 * @param onlyFirst examples that the first gets right and the second does not.
 * @param onlySecond the other way round.
 */
export function mcnemar(onlyFirst: number, onlySecond: number): number {
  const n = onlyFirst + onlySecond;
  const fewer = Math.min(onlyFirst, onlySecond);
  // Σ_{i ≤ k} C(n, i) / 2^n: in logarithms, since 2^n overflows, then relative to the largest term, C(n, k).
  let logTerm = -n * Math.LN2;
  for (let i = 1; i <= fewer; i++) logTerm += Math.log((n - fewer + i) / i);
  let [term, tail] = [1, 1];
  for (let i = fewer; i > 0 && term > Number.EPSILON / fewer; i--) {
    term *= i / (n - i + 1);
    tail += term;
  }
  return Math.min(1, 2 * tail * Math.exp(logTerm));
}
