import { LuthierError } from "../error.js";
import { bitnetCpp } from "./bitnet-cpp/bitnet-cpp.js";
import { compressedTensors } from "./compressed-tensors/compressed-tensors.js";
import { gguf } from "./gguf/gguf.js";
import { gptq } from "./gptq/gptq.js";
import { lutGemm } from "./lut-gemm/lut-gemm.js";
import { lutLlm } from "./lut-llm/lut-llm.js";
import { lutTensorCore } from "./lut-tensor-core/lut-tensor-core.js";
import { onnx } from "./onnx/onnx.js";
import { tMac } from "./t-mac/t-mac.js";
import type { Target } from "./target.js";
import { tellme } from "./tellme/tellme.js";

/** Every hardware; a new one adds its folder and a line here. */
export const targets: readonly Target[] = [
  tMac,
  tellme,
  bitnetCpp,
  lutTensorCore,
  lutGemm,
  lutLlm,
  gguf,
  onnx,
  gptq,
  compressedTensors,
];

/** @throws LuthierError (usage) naming those that exist. */
export function findTarget(name: string): Target {
  const found = targets.find((target) => target.name === name);
  if (found) return found;
  const known = targets.map((target) => target.name).join(", ");
  throw new LuthierError(
    `there is no target '${name}'`,
    `choose one of ${known}; \`luthier targets\` describes them`,
    {
      usage: true,
    },
  );
}
