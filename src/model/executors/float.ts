import type { Kernels } from "../../kernels/kernels.js";
import { type KeptOfInput, represent } from "../../schemes/represent.js";
import type { ActivationScheme } from "../../schemes/scheme.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import type { LinearInfo } from "../architecture.js";
import type { Executor } from "../executor.js";
import type { Ops } from "../ops.js";

/** Where a linear's float32 weight and bias come from: a checkpoint, or a run's dequantized schemes. */
export interface WeightSource {
  weight(linear: LinearInfo): Promise<FloatWeight>;
  /** `[N]`, or null for a linear without one. */
  bias(linear: LinearInfo): Promise<Float32Array | null>;
  /** How the input is represented before it is multiplied. */
  activation(linear: LinearInfo): ActivationScheme;
}

export interface FloatWeight {
  /** `[N, K]`. */
  readonly weight: Matrix;
  /** What the weight keeps of how its input is represented. */
  readonly keptOfInput: KeptOfInput | null;
}

interface Loaded extends FloatWeight {
  readonly bias: Float32Array | null;
  readonly activation: ActivationScheme;
}

/** Computes linears in float32 by onnxruntime; holds the weights of the linears entered last and no others. */
export function openFloatExecutor(
  linears: readonly LinearInfo[],
  weights: WeightSource,
  ops: Ops,
  kernels: Kernels,
): Executor {
  const byName = new Map(linears.map((linear) => [linear.name, linear]));
  let loaded = new Map<string, Loaded>();
  return {
    async enter(names) {
      loaded = new Map();
      for (const name of names) {
        const linear = byName.get(name);
        if (linear === undefined) throw new RangeError(`no linear ${name}`);
        const [weight, bias] = [await weights.weight(linear), await weights.bias(linear)];
        loaded.set(name, { ...weight, bias, activation: weights.activation(linear) });
      }
    },
    async run(names, input) {
      const outputs: Matrix[] = [];
      const represented = new Map<string, Matrix>();
      for (const name of names) {
        const entered = loaded.get(name);
        if (entered === undefined) throw new RangeError(`linear ${name} was not entered`);
        const { weight, keptOfInput, bias, activation } = entered;
        if (input.rows === 0) {
          outputs.push(matrix(0, weight.rows)); // an expert that no token goes to
          continue;
        }
        const key = JSON.stringify(activation);
        const shared = keptOfInput ? undefined : represented.get(key);
        const x = shared ?? (await represent(input, activation, keptOfInput, kernels));
        represented.set(key, x);
        outputs.push(await ops.linear(x, weight, bias));
      }
      return outputs;
    },
  };
}
