import path from "node:path";
import { openCheckpoint } from "../checkpoint/checkpoint.js";
import { configFile } from "../checkpoint/checkpoint-files.js";
import type { HubOptions } from "../checkpoint/hub.js";
import { readJsonObject } from "../checkpoint/json-file.js";
import { openTokenizer, readTokenizerFiles } from "../checkpoint/tokenizer.js";
import { LuthierError } from "../error.js";
import { inOrderOfTask } from "../evaluation/class-order.js";
import { compareAnswers } from "../evaluation/compare-answers.js";
import { examplesOf } from "../evaluation/examples.js";
import type { TaskScore } from "../evaluation/score.js";
import { scoreAnswers } from "../evaluation/score-answers.js";
import type { Answered, Example, Form, Task } from "../evaluation/task.js";
import { readTaskRows, type TaskRows } from "../evaluation/task-rows.js";
import type { Model } from "../model/model.js";
import { type AnswerOptions, answerTask, encoderOf, prepareQuestions } from "./answer-task.js";
import { stateFiles } from "./input-files.js";
import { openKeptAnswers } from "./kept-answers.js";
import { type Engine, isRun, type OpenModelOptions, openModelAt } from "./open-model.js";
import type { OnProgress } from "./progress.js";
import { readRunRecord } from "./run-directory.js";
import { withLock } from "./run-lock.js";
import { formOf, logitsOf } from "./task-form.js";
import { versions } from "./versions.js";

/** What of a task is scored. */
export interface TaskChoice {
  readonly task: Task;
  /** A local table, or folder of tables, in place of the hub's. */
  readonly data?: string;
  /** The same for the split of solved examples. */
  readonly shotsData?: string;
  /** Solved examples before each; by default as many as the task is defined with, mostly none. */
  readonly shots?: number;
  /** The first so many examples; all by default. */
  readonly limit?: number;
}

export interface EvaluateTaskOptions extends TaskChoice {
  readonly subjects: readonly OpenModelOptions[];
  /** A folder where answers are kept as they come, so that a scoring that is stopped goes on; null to keep none. */
  readonly keep: string | null;
  readonly hub?: HubOptions;
  readonly onProgress?: OnProgress;
}

export interface TaskResult extends TaskScore {
  readonly engine: Engine;
  /** The pack's target; null on the float engine. */
  readonly target: string | null;
}

/**
 * Scores models on a task, one after another, on the same examples; all are compared with the first.
 *
 * @throws LuthierError when models or data are not in order, the task is none for such models, or another process
 *   writes answers into the same folder.
 */
export async function evaluateTask(options: EvaluateTaskOptions): Promise<readonly TaskResult[]> {
  const { keep } = options;
  return keep === null ? evaluate(options) : withLock(keep, () => evaluate(options));
}

async function evaluate(options: EvaluateTaskOptions): Promise<readonly TaskResult[]> {
  const { task, hub } = options;
  const shots = options.shots ?? task.data.usualShots ?? 0;
  const rows = await readTaskRows(task.data, task.data.split, options.data ?? null, hub);
  const solved = shots > 0 ? await readShots(options) : null;
  const given = { rows, solved, shots, prepare: openPreparing() };
  let reference: readonly Answered[] | null = null;
  const results: TaskResult[] = [];
  for (const subject of options.subjects) {
    const { form, answered, result } = await scoreSubject(subject, given, options);
    const comparison = reference && compareAnswers(form.metrics, reference, answered);
    reference ??= answered;
    results.push({ ...result, comparison });
  }
  return results;
}

async function readShots({ task, shotsData, hub }: EvaluateTaskOptions): Promise<TaskRows> {
  const { shotsSplit } = task.data;
  if (shotsSplit !== null) return readTaskRows(task.data, shotsSplit, shotsData ?? null, hub);
  throw new LuthierError(`${task.name} has no solved examples to show`, "score it without shots", {
    usage: true,
  });
}

/** What every model is given. */
interface Given {
  readonly rows: TaskRows;
  /** Rows of the solved examples; null without any. */
  readonly solved: TaskRows | null;
  readonly shots: number;
  readonly prepare: Preparing;
}

/** A model's answers, in the order of the task's classes. */
interface ScoredSubject {
  readonly form: Form;
  readonly answered: readonly Answered[];
  readonly result: Omit<TaskResult, "comparison">;
}

async function scoreSubject(
  subject: OpenModelOptions,
  { rows, solved, shots, prepare }: Given,
  { task, limit, keep, onProgress = () => {} }: EvaluateTaskOptions,
): Promise<ScoredSubject> {
  const started = performance.now();
  const { model, directory, target, close } = await openModelAt(subject);
  try {
    const form = formOf(task, model.description, subject.path);
    const all = examplesOf(form, rows.rows, task.data, solved?.rows ?? [], shots);
    expectExamples(all, rows);
    const examples = all.slice(0, limit);
    const { engine } = subject;
    const given = { data: rows.sha256, shots, shotsData: solved?.sha256 ?? null, examples: examples.length };
    const madeFrom = {
      ...{ versions: versions(), task: task.name, kind: model.description.kind, engine, target },
      ...{ model: await identityOf(subject.path), ...given },
    };
    const file = keep && path.join(keep, await fileNameOf(subject, target, task));
    const questions = examples.map(({ question }) => question);
    const asked = { questions, classes: logitsOf(model.description) };
    const kept = file ? await openKeptAnswers(file, madeFrom, asked) : null;
    try {
      const stage = `${task.name} of ${path.basename(subject.path)}, ${target ?? "float"}`;
      const { answered, truncated, tokens } = await answerTask({
        ...{ model, examples, kept, ...(await prepare(model, directory, examples)) },
        onProgress: (done, total, what) => onProgress({ stage, done, total, what }),
      });
      const ordered = inOrderOfTask(answered, form, await readJsonObject(path.join(directory, configFile)));
      const result = {
        ...{ task: task.name, harness: form.harness, engine, target },
        metrics: scoreAnswers(form.metrics, ordered),
        ...{ examples: examples.length, available: all.length, shots, truncated, tokens },
        data: { name: rows.name, split: rows.split, sha256: rows.sha256 },
        seconds: (performance.now() - started) / 1000,
      };
      return { form, answered: ordered, result };
    } finally {
      await kept?.close();
    }
  } finally {
    await close();
  }
}

type Preparing = (
  model: Model,
  directory: string,
  examples: readonly Example[],
) => Promise<Pick<AnswerOptions, "encoder" | "prepared">>;

/** Makes tokens of a task's questions: once for all models whose tokenizer, context and kind are the same. */
function openPreparing(): Preparing {
  const known = new Map<string, Pick<AnswerOptions, "encoder" | "prepared">>();
  return async (model, directory, examples) => {
    const { kind, contextLength } = model.description;
    const files = await readTokenizerFiles(directory);
    const key = JSON.stringify([kind, contextLength, files?.definition, files?.config]);
    const found = known.get(key);
    if (found) return found;
    const encoder = encoderOf(model, await openTokenizer(directory));
    const made = { encoder, prepared: prepareQuestions(examples, encoder) };
    known.set(key, made);
    return made;
  };
}

function expectExamples(examples: readonly Example[], { name, rows }: TaskRows): void {
  if (examples.length > 0) return;
  throw new LuthierError(
    `none of the ${rows.length} rows of ${name} has a right answer to be scored by`,
    "use a split with labels: those of hidden tests are not published",
    { usage: true },
  );
}

/** What the answers of a model depend on: of a run its inputs and indexes, of a checkpoint its files. */
async function identityOf(folder: string): Promise<object> {
  if (await isRun(folder)) {
    const { inputs, indexes } = await readRunRecord(folder);
    return { inputs: inputs.map(({ sha256 }) => sha256), indexes };
  }
  const checkpoint = await openCheckpoint(folder);
  await checkpoint.close();
  return stateFiles(checkpoint);
}

/** A run and the checkpoint that it was made from often have one name. */
async function fileNameOf(
  { path: folder, engine }: OpenModelOptions,
  target: string | null,
  task: Task,
): Promise<string> {
  const what = (await isRun(folder)) ? "run" : "checkpoint";
  return `${path.basename(path.resolve(folder))}.${what}.${target ?? engine}.${task.name.replace(":", "-")}.jsonl`;
}
