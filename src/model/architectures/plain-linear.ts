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
