import { describeFamily } from "./generated-families.js";

describeFamily("phi3");
