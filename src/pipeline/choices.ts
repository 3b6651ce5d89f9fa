import { calibratedQuantizers, quantizers } from "../quantizers/registry.js";
import type { QuantizeChoice, TargetChoice } from "../recipe/schema.js";
import { findTarget } from "../targets/registry.js";

/** The quantizer of a choice that looks at weights alone, with its options as the schema left them. */
export function quantizerOf({ method, ...options }: QuantizeChoice) {
  const quantizer = quantizers.find(({ name }) => name === method);
  if (quantizer === undefined) throw new RangeError(`no quantizer ${method}`);
  return { quantizer, options };
}

/** The quantizer of a choice that is fitted to calibration text; null for all other choices. */
export function calibratedQuantizerOf({ method, ...options }: QuantizeChoice) {
  const quantizer = calibratedQuantizers.find(({ name }) => name === method);
  return quantizer ? { quantizer, options } : null;
}

/** The target of a choice with its parameters as the schema left them. */
export function targetOf({ target: name, ...parameters }: TargetChoice) {
  return { target: findTarget(String(name)), parameters };
}
