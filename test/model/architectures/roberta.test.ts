import { describeFamily } from "./generated-families.js";

describeFamily("roberta");
