import type { Question } from "../question.js";
import type { Asking, PreparedQuestion } from "./asking.js";
import { choices } from "./choices.js";
import { classes } from "./classes.js";
import { generation } from "./generation.js";
import { span } from "./span.js";
import { text } from "./text.js";

/** How questions of each kind are put to a model; a new kind adds its file and a line here. */
const askings = { choices, classes, generation, span, text };

/** Of a kind that is known only when it runs: what it prepares, only it answers. */
export function askingOf<Kind extends Question["kind"]>(kind: Kind): Asking<Kind, PreparedQuestion> {
  return askings[kind] as unknown as Asking<Kind, PreparedQuestion>;
}
