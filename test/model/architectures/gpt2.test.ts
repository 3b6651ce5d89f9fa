import { describeFamily } from "./generated-families.js";

describeFamily("gpt2");
