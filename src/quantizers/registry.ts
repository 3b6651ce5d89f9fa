import { absmean } from "./absmean.js";
import { bcq } from "./bcq.js";
import { binary } from "./binary.js";
import type { CalibratedQuantizer } from "./calibrated-quantizer.js";
import { coQuantization } from "./co-quantization.js";
import { compensatedBcq } from "./compensated-bcq.js";
import { compensatedTritPlanes } from "./compensated-trit-planes.js";
import { finequant } from "./finequant.js";
import { gptq } from "./gptq.js";
import { hqq } from "./hqq.js";
import type { Quantizer } from "./quantizer.js";
import { rtn } from "./rtn.js";
import { shiftAdd } from "./shift-add.js";
import { tritPlanes } from "./trit-planes.js";
import { twn } from "./twn.js";

/** Every quantizer that looks at weights alone; a new one adds its file and a line here. */
export const quantizers: readonly Quantizer[] = [rtn, absmean, twn, tritPlanes, bcq, hqq, binary, finequant];

/** Every quantizer that is fitted to calibration text; a new one adds its file and a line here. */
export const calibratedQuantizers: readonly CalibratedQuantizer[] = [
  coQuantization,
  gptq,
  compensatedTritPlanes,
  compensatedBcq,
  shiftAdd,
];
