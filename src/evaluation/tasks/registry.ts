import { LuthierError } from "../../error.js";
import { nearest } from "../../nearest.js";
import type { Task } from "../task.js";
import { arcChallenge, arcEasy } from "./arc.js";
import { boolQ } from "./boolq.js";
import { cola } from "./glue-cola.js";
import { mnli, mnliMismatched } from "./glue-mnli.js";
import { mrpc } from "./glue-mrpc.js";
import { qnli } from "./glue-qnli.js";
import { qqp } from "./glue-qqp.js";
import { rte } from "./glue-rte.js";
import { sst2 } from "./glue-sst2.js";
import { stsb } from "./glue-stsb.js";
import { wnli } from "./glue-wnli.js";
import { hellaSwag } from "./hellaswag.js";
import { lambada } from "./lambada.js";
import { mmlu } from "./mmlu.js";
import { mmluPro } from "./mmlu-pro.js";
import { openBookQa } from "./openbookqa.js";
import { piqa } from "./piqa.js";
import { squadV2 } from "./squad-v2.js";
import { wikitext } from "./wikitext.js";
import { winoGrande } from "./winogrande.js";

/** Every benchmark task; a new one adds its file, a line here, and a row in docs/tasks.md. */
export const tasks: readonly Task[] = [
  cola,
  sst2,
  mrpc,
  stsb,
  qqp,
  mnli,
  mnliMismatched,
  qnli,
  rte,
  wnli,
  squadV2,
  arcEasy,
  arcChallenge,
  hellaSwag,
  piqa,
  winoGrande,
  boolQ,
  openBookQa,
  mmlu,
  mmluPro,
  lambada,
  wikitext,
];

/** Names of tasks and of groups of them. */
export const taskNames: readonly string[] = ["glue", ...tasks.map(({ name }) => name)];

/**
 * The task of a name, or all of a group: `glue` is every `glue:…`.
 *
 * @throws LuthierError (usage) for a name that is none.
 */
export function findTasks(name: string): readonly Task[] {
  const found = tasks.filter((task) => task.name === name || task.name.startsWith(`${name}:`));
  if (found.length > 0) return found;
  const meant = nearest(name, taskNames);
  throw new LuthierError(
    `no task is called ${name}`,
    `${meant === null ? "" : `Did you mean ${meant}? `}Choose one of: ${taskNames.join(", ")}.`,
    { usage: true },
  );
}
