import type { LinearInfo, ModelDescription } from "../../model/architecture.js";
import { decoderGraph } from "../../model/decoder-graph.js";
import type { GraphPart } from "../../model/decoder-positions.js";
import { elementType, type Graph, type GraphNode } from "../../model/onnx.js";
import type { GridOutline } from "../../schemes/scheme.js";
import type { PackedGrid } from "../target.js";

/** A quantized linear as its product is written. */
export type QuantizedProduct = Pick<PackedGrid, "weight" | "layout">;

/** The graph of a model whose quantized linears are MatMulNBits nodes, and the others float products. */
export function modelGraph(
  config: Readonly<Record<string, unknown>>,
  description: ModelDescription,
  quantized: ReadonlyMap<string, QuantizedProduct>,
  cache: boolean,
): Promise<Graph> {
  const product = (linear: LinearInfo, input: string, output: string): GraphPart => {
    const found = quantized.get(linear.name);
    if (found === undefined) return floatProduct(linear, input, output);
    return { nodes: [quantizedProduct(linear.name, found, input, output)] };
  };
  return decoderGraph({ config, description, product }, cache);
}

/** The node of a quantized linear, which has its name. */
export function quantizedProduct(
  name: string,
  { weight, layout: { bits, block, accuracyLevel } }: QuantizedProduct,
  input: string,
  output: string,
) {
  const tensors = hasZeroPoints(weight) ? ["codes", "scales", "zero_points"] : ["codes", "scales"];
  return {
    op: "MatMulNBits",
    domain: "com.microsoft",
    name,
    inputs: [input, ...tensors.map((tensor) => `${name}.${tensor}`)],
    outputs: [output],
    attributes: {
      K: weight.columns,
      N: weight.rows,
      bits: Number(bits),
      block_size: Number(block),
      accuracy_level: Number(accuracyLevel),
    },
  } satisfies GraphNode;
}

function hasZeroPoints(weight: GridOutline): boolean {
  return weight.scheme === "int" && !weight.symmetric;
}

/** A weight as the checkpoint has it, made float32 when the model is loaded. */
function floatProduct({ tensor }: LinearInfo, input: string, output: string): GraphPart {
  const [float, transposed] = [`${output}.float`, `${output}.transposed`];
  return {
    nodes: [
      { op: "Cast", inputs: [tensor], outputs: [float], attributes: { to: elementType.float32 } },
      { op: "Transpose", inputs: [float], outputs: [transposed], attributes: { perm: [1, 0] } },
      { op: "MatMul", inputs: [input, transposed], outputs: [output] },
    ],
  };
}
