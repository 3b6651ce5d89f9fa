import { appendFileSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import type { Answer, Question } from "../../src/evaluation/question.js";
import { type Asked, openKeptAnswers } from "../../src/pipeline/kept-answers.js";
import { temporaryFolder } from "./run.js";

const madeFrom = { task: "a", model: [{ bytes: 3 }], shots: 0, target: undefined };

const choice = { context: "a", continuation: "b" };
const questions: readonly Question[] = [
  { kind: "choices", choices: [choice, choice] },
  { kind: "text", text: "a" },
  { kind: "classes", texts: ["a"] },
  { kind: "span", question: "a?", passage: "a" },
  { kind: "generation", context: "a", stops: ["."], mostTokens: 3, alternative: "b" },
  { kind: "generation", context: "a", stops: ["."], mostTokens: 3, alternative: null },
];
const asked: Asked = { questions, classes: 3 };

const answers: readonly Answer[] = [
  { kind: "choices", logLikelihoods: [-1.25, -Math.PI], greedy: [true, false] },
  { kind: "text", logLikelihood: -1e-310, tokens: 0 },
  { kind: "classes", logits: [0.1, -1e30, 7] },
  { kind: "span", text: "line\nbreak \ud83d\ude00", score: 3, noAnswerScore: -2 },
  { kind: "generation", text: "", alternativeLogLikelihood: 1e-5 }, // a rounding above 0
  { kind: "generation", text: '"', alternativeLogLikelihood: null },
];
const entries = answers.map((answer, at) => [at, answer] as const);

const open = (file: string, made: object = madeFrom) => openKeptAnswers(file, made, asked);

async function readAgain(file: string, made: object = madeFrom): Promise<ReadonlyMap<number, Answer>> {
  const kept = await open(file, made);
  await kept.close();
  return kept.answers;
}

async function written(file: string): Promise<string> {
  const kept = await open(file);
  await kept.append(entries.slice(0, 2));
  await kept.append(entries.slice(2));
  await kept.close();
  return file;
}

const newFile = () => path.join(temporaryFolder(), "answers", "tiny.jsonl");

test("what was kept is there again, to the last bit, in a folder that is made", async () => {
  const file = newFile();
  expect(await readAgain(file)).toEqual(new Map());
  expect(await readAgain(await written(file))).toEqual(new Map(entries));
});

test("the last answer to an example counts", async () => {
  const file = await written(newFile());
  const kept = await open(file);
  const other: Answer = { kind: "classes", logits: [1, 2, 3] };
  await kept.append([[2, other]]);
  await kept.close();
  expect((await readAgain(file)).get(2)).toEqual(other);
});

test("answers to something else are dropped, and those that follow are kept in their place", async () => {
  const file = await written(newFile());
  const kept = await open(file, { ...madeFrom, task: "b" });
  expect(kept.answers.size).toBe(0);
  await kept.append(entries.slice(1, 2));
  await kept.close();
  expect([...(await readAgain(file, { ...madeFrom, task: "b" })).keys()]).toEqual([1]);
  expect(await readAgain(file)).toEqual(new Map());
});

test("wherever a file was cut off, the answers before are kept, and it goes on from there", async () => {
  const whole = readFileSync(await written(newFile()));
  const folder = temporaryFolder();
  for (let length = 0; length < whole.length; length += 7) {
    const file = path.join(folder, `${length}.jsonl`);
    writeFileSync(file, whole.subarray(0, length));
    const lines = whole.subarray(0, length).toString().split("\n").length - 2; // neither the first nor the torn one
    const kept = await open(file);
    expect([...kept.answers.keys()]).toEqual([...entries.keys()].slice(0, Math.max(0, lines)));
    await kept.append(entries.slice(kept.answers.size));
    await kept.close();
    expect(readFileSync(file)).toEqual(whole);
  }
});

test.each([
  ["no JSON", "[2, {"],
  ["no example of the task", JSON.stringify([questions.length, answers[1]])],
  ["an example below none", JSON.stringify([-1, answers[1]])],
  ["no whole example", JSON.stringify([0.5, answers[0]])],
  ["an answer of another kind", JSON.stringify([0, answers[1]])],
  ["an answer of no kind", JSON.stringify([0, { kind: "guess" }])],
  ["too many choices", JSON.stringify([0, { ...answers[0], logLikelihoods: [-1, -2, -3] }])],
  ["too few marks of greedy ones", JSON.stringify([0, { ...answers[0], greedy: [true] }])],
  ["too few classes", JSON.stringify([2, { kind: "classes", logits: [1, 2] }])],
  ["no alternative", JSON.stringify([4, answers[5]])],
  ["an alternative that was not asked for", JSON.stringify([5, answers[4]])],
  ["a logit that is no number", JSON.stringify([2, { kind: "classes", logits: [Number.NaN, 1, 2] }])],
  ["more than an answer", JSON.stringify([0, { ...answers[0], __proto__: null, more: 1 }])],
])("a line with %s ends what is kept", async (_, line) => {
  const file = newFile();
  const kept = await open(file);
  await kept.append(entries.slice(0, 3));
  await kept.close();
  appendFileSync(file, `${line}\n${JSON.stringify(entries[3])}\n`);
  expect(await readAgain(file)).toEqual(new Map(entries.slice(0, 3)));
  expect(readFileSync(file, "utf8").trim().split("\n")).toHaveLength(4);
});

test("a text that is no UTF-8 ends what is kept", async () => {
  const file = await written(newFile());
  const bytes = readFileSync(file);
  bytes[bytes.indexOf("line")] = 0xff;
  writeFileSync(file, bytes);
  const kept = await open(file);
  expect([...kept.answers.keys()]).toEqual([0, 1, 2]);
  await kept.append(entries.slice(3));
  await kept.close();
  expect(await readAgain(file)).toEqual(new Map(entries));
});

test("whatever bytes a file has, answers are only such as fit their questions", async () => {
  const whole = readFileSync(await written(newFile()));
  const folder = temporaryFolder();
  const change = fc.record({ at: fc.nat(whole.length - 1), bytes: fc.uint8Array({ maxLength: 4 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 3 }), async (changes) => {
      const bytes = Buffer.from(whole);
      for (const { at, bytes: other } of changes) bytes.set(other.subarray(0, bytes.length - at), at);
      const file = path.join(folder, "hostile.jsonl");
      writeFileSync(file, bytes);
      for (const [at, answer] of await readAgain(file)) expect(answer.kind).toBe(questions[at].kind);
    }),
    { numRuns: 60 },
  );
});

test("a file that is larger than any of answers is refused before it is read", async () => {
  const file = await written(newFile());
  truncateSync(file, 2 ** 29 + 1); // sparse
  await expect(open(file)).rejects.toThrow("it is no file of answers");
});

test("a place where no file can be is refused", async () => {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, "answers.jsonl"));
  await expect(open(path.join(folder, "answers.jsonl"))).rejects.toThrow(LuthierError);
});

test("answers are not cut off behind a link, which may lead to any file", async () => {
  const [folder, other] = [temporaryFolder(), path.join(temporaryFolder(), "not-ours")];
  writeFileSync(other, "not an answer");
  symlinkSync(other, path.join(folder, "task.jsonl"));
  await expect(open(path.join(folder, "task.jsonl"))).rejects.toThrow(/task.jsonl: it is a link/);
  expect(readFileSync(other, "utf8")).toBe("not an answer");
});
