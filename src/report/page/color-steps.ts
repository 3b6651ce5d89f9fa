/* Scales of seven colours with round bounds. */

export interface Steps {
  /** Rising: a step lies between each bound and the next; eight at most. */
  readonly bounds: readonly number[];
}

/** Equal steps of 1, 2, 2.5 or 5 times a power of ten that hold all values. */
export function linearSteps(values: readonly number[]): Steps {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) return { bounds: [low, high] };
  for (let power = Math.floor(Math.log10((high - low) / 7)); ; power++) {
    for (const factor of [1, 2, 2.5, 5]) {
      const [first, last] = [low, high].map((value) => value / (factor * 10 ** power));
      const [from, to] = [Math.floor(first), Math.ceil(last)];
      if (to - from > 7) continue;
      return {
        bounds: Array.from({ length: to - from + 1 }, (_, at) => rounded((from + at) * factor * 10 ** power)),
      };
    }
  }
}

/** Steps of equal ratio between the least and the most of the values above 0. */
export function logarithmicSteps(values: readonly number[]): Steps {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return { bounds: [0, 0] };
  const [low, high] = [Math.min(...positive), Math.max(...positive)];
  if (low === high) return { bounds: [low, high] };
  return {
    bounds: Array.from({ length: 8 }, (_, at) => Number((low * (high / low) ** (at / 7)).toPrecision(3))),
  };
}

/** Which of the seven colours a value has; what lies outside of all steps has that of the first or last. */
export function colorOf(steps: Steps, value: number): number {
  return colorOfStep(steps, steps.bounds.slice(1, -1).filter((bound) => value >= bound).length);
}

/** Few steps are spread over all colours. */
export function colorOfStep({ bounds }: Steps, step: number): number {
  return bounds.length <= 2 ? 2 : Math.round((6 * step) / (bounds.length - 2));
}

function rounded(value: number): number {
  return Number(value.toPrecision(12));
}
