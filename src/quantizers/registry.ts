import { absmean } from "./absmean.js";
import { awq } from "./awq.js";
import { bcq } from "./bcq.js";
import { binary } from "./binary.js";
import { bitmod } from "./bitmod.js";
import type { CalibratedQuantizer } from "./calibrated-quantizer.js";
import { coQuantization } from "./co-quantization.js";
import { compensatedBcq } from "./compensated-bcq.js";
import { compensatedTritPlanes } from "./compensated-trit-planes.js";
import { compensatedValues } from "./compensated-values.js";
import { finequant } from "./finequant.js";
import { fmpq } from "./fmpq.js";
import { gptq } from "./gptq.js";
import { hqq } from "./hqq.js";
import { kMeans } from "./k-means.js";
import { llmInt8 } from "./llm-int8.js";
import { mixLlm } from "./mixllm.js";
import { nf4 } from "./nf4.js";
import { powerOfTwo } from "./power-of-two.js";
import type { Quantizer } from "./quantizer.js";
import { rtn } from "./rtn.js";
import { shiftAdd } from "./shift-add.js";
import { squeeze } from "./squeeze.js";
import { tritPlanes } from "./trit-planes.js";
import { twn } from "./twn.js";

/** Every quantizer that looks at weights alone; a new one adds its file and a line here. */
export const quantizers: readonly Quantizer[] = [
  rtn,
  hqq,
  finequant,
  absmean,
  twn,
  tritPlanes,
  binary,
  bcq,
  bitmod,
  nf4,
  powerOfTwo,
  kMeans,
];

/** Every quantizer that is fitted to calibration text; a new one adds its file and a line here. */
export const calibratedQuantizers: readonly CalibratedQuantizer[] = [
  gptq,
  compensatedTritPlanes,
  compensatedBcq,
  shiftAdd,
  compensatedValues,
  squeeze,
  awq,
  llmInt8,
  fmpq,
  mixLlm,
  coQuantization,
];
