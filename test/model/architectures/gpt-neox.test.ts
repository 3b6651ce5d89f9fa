import { describeFamily } from "./generated-families.js";

describeFamily("gpt_neox");
