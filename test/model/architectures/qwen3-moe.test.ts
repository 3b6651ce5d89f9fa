import { describeFamily } from "./generated-families.js";

describeFamily("qwen3_moe");
