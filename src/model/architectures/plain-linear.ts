import type { LinearInfo } from "../architecture.js";

/** A linear `<name>` with the tensors `<name>.weight` and, unless said otherwise, `<name>.bias`, and no traits but those given. */
export function plainLinear(
  name: string,
  rows: number,
  columns: number,
  { hasBias = true, attention = null }: { hasBias?: boolean; attention?: LinearInfo["attention"] } = {},
): LinearInfo {
  return {
    ...{ name, rows, columns, tensor: `${name}.weight`, bias: hasBias ? `${name}.bias` : null },
    ...{ norm: null, headNorm: null, rotaryHeadSize: null, attention },
  };
}

/** Gate, up and down of a gated feed-forward layer, by their names, without biases. */
export function gatedLinears(
  [gate, up, down]: readonly [string, string, string],
  hidden: number,
  wide: number,
): readonly LinearInfo[] {
  return [
    plainLinear(gate, wide, hidden, { hasBias: false }),
    plainLinear(up, wide, hidden, { hasBias: false }),
    plainLinear(down, hidden, wide, { hasBias: false }),
  ];
}

/** The head of a causal model, without a bias. @param tied the embedding's tensor; null for a head of its own. */
export function headLinear(
  vocabularySize: number,
  columns: number,
  tied: string | null,
  tensor = "lm_head.weight",
): LinearInfo {
  const head = plainLinear("lm_head", vocabularySize, columns, { hasBias: false });
  return { ...head, tensor: tied ?? tensor };
}
