import type { LinearInfo, ModelDescription } from "../../model/architecture.js";
import { decoderGraph } from "../../model/decoder-graph.js";
import type { GraphPart } from "../../model/decoder-positions.js";
import { elementType, type Graph } from "../../model/onnx.js";
import type { OnnxParameters } from "./onnx.js";

/** How the product of a quantized linear is written. */
export interface QuantizedProduct {
  readonly bits: number;
  readonly block: number;
  readonly hasZeroPoints: boolean;
}

/** The graph of a model whose quantized linears are MatMulNBits nodes, and the others float products. */
export function modelGraph(
  config: Readonly<Record<string, unknown>>,
  description: ModelDescription,
  quantized: ReadonlyMap<string, QuantizedProduct>,
  { accuracyLevel, cache }: OnnxParameters,
): Promise<Graph> {
  const product = (linear: LinearInfo, input: string, output: string): GraphPart => {
    const found = quantized.get(linear.name);
    if (found === undefined) return floatProduct(linear, input, output);
    const { name, rows, columns } = linear;
    const zeros = found.hasZeroPoints ? [`${name}.zero_points`] : [];
    return {
      nodes: [
        {
          op: "MatMulNBits",
          domain: "com.microsoft",
          name,
          inputs: [input, `${name}.codes`, `${name}.scales`, ...zeros],
          outputs: [output],
          attributes: {
            K: columns,
            N: rows,
            bits: found.bits,
            block_size: found.block,
            accuracy_level: accuracyLevel,
          },
        },
      ],
    };
  };
  return decoderGraph({ config, description, product }, cache);
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
