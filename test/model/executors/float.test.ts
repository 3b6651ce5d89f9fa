import { afterAll, expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import type { LinearInfo } from "../../../src/model/architecture.js";
import { openFloatExecutor, type WeightSource } from "../../../src/model/executors/float.js";
import { openOps } from "../../../src/model/ops.js";
import type { ActivationScheme } from "../../../src/schemes/scheme.js";
import { matrix } from "../../../src/tensor/matrix.js";

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

const linear = (name: string, bias: string | null): LinearInfo => ({
  name,
  rows: 2,
  columns: 3,
  tensor: `${name}.weight`,
  bias,
  norm: null,
  headNorm: null,
  rotaryHeadSize: null,
  attention: null,
});
const linears = [linear("a", null), linear("b", "b.bias"), linear("c", null)];
const input = matrix(1, 3, Float32Array.of(1, 10, 100));

function open(loads: string[] = [], activation: ActivationScheme = { scheme: "float" }) {
  const weights: WeightSource = {
    async weight({ name }) {
      loads.push(name);
      const weight = matrix(2, 3, Float32Array.of(1, 2, 3, name === "a" ? 4 : -4, 5, 6));
      return { weight, keptOfInput: null };
    },
    bias: async ({ bias }) => (bias ? Float32Array.of(1000, 2000) : null),
    activation: () => activation,
  };
  return openFloatExecutor(linears, weights, ops, openKernels({ threads: 1 }));
}

test("computes several linears of one input, each with its bias", async () => {
  const executor = open();
  await executor.enter(["a", "b"]);
  const outputs = await executor.run(["a", "b"], input);
  expect(outputs.map((output) => [...output.data])).toEqual([
    [321, 654],
    [1321, 2646],
  ]);
});

test("loads the weights of the linears entered, once, and no others", async () => {
  const loads: string[] = [];
  const executor = open(loads);
  await executor.enter(["a", "b"]);
  await executor.run(["a"], input);
  await executor.run(["a"], input);
  expect(loads).toEqual(["a", "b"]);
});

test("lets go of linears that were entered before", async () => {
  const executor = open();
  await executor.enter(["a"]);
  await executor.enter(["b"]);
  await expect(executor.run(["a"], input)).rejects.toThrow("linear a was not entered");
});

test("refuses a linear that it does not know", async () => {
  await expect(open().enter(["d"])).rejects.toThrow("no linear d");
});

test("multiplies the input as its activation scheme represents it", async () => {
  const executor = open([], { scheme: "int8", per: "token" });
  await executor.enter(["a"]);
  const [{ data }] = await executor.run(["a"], input);
  // Steps of 100 / 127: 1 becomes one step, 10 thirteen, 100 all 127.
  const [one, ten] = [100 / 127, 1300 / 127];
  expect(data[0]).toBeCloseTo(one + 2 * ten + 300, 3);
});

test("of no tokens, as an expert may have them, outputs have no rows, whatever the input's representation", async () => {
  const executor = open([], { scheme: "int8", per: "token" });
  await executor.enter(["a", "b"]);
  const outputs = await executor.run(["a", "b"], matrix(0, 3));
  expect(outputs).toEqual([matrix(0, 2), matrix(0, 2)]);
});
