import { absmean } from "./absmean.js";
import { bcq } from "./bcq.js";
import type { Quantizer } from "./quantizer.js";
import { rtn } from "./rtn.js";
import { tritPlanes } from "./trit-planes.js";
import { twn } from "./twn.js";

/** Every quantizer; a new one adds its file and a line here. */
export const quantizers: readonly Quantizer[] = [rtn, absmean, twn, tritPlanes, bcq];
