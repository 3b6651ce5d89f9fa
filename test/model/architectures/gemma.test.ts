import { describeFamily } from "./generated-families.js";

describeFamily("gemma");
describeFamily("gemma2");
describeFamily("gemma3_text");
