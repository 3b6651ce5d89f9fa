import { constants, type FileHandle, open } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { flushDirectory, makeFolder, writeFully } from "../checkpoint/atomic.js";
import { fileError } from "../checkpoint/file-error.js";
import { parseJson } from "../checkpoint/json-file.js";
import { LuthierError } from "../error.js";
import type { Answer, Question } from "../evaluation/question.js";

/*
 * Answers are kept as they come, so that a scoring that is stopped goes on where it stopped: a line that says what they are
 * answers to, and then one line for each, `[example, answer]`.
 */

export interface KeptAnswers {
  /** By the example's index. */
  readonly answers: ReadonlyMap<number, Answer>;
  /** Flushed to the disk before it returns. */
  append(entries: readonly (readonly [example: number, answer: Answer])[]): Promise<void>;
  close(): Promise<void>;
}

const number = z.number();

const answer = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("choices"),
    logLikelihoods: z.array(number),
    greedy: z.array(z.boolean()),
  }),
  z.strictObject({ kind: z.literal("text"), logLikelihood: number, tokens: z.int().min(0) }),
  z.strictObject({ kind: z.literal("classes"), logits: z.array(number) }),
  z.strictObject({ kind: z.literal("span"), text: z.string(), score: number, noAnswerScore: number }),
  z.strictObject({
    kind: z.literal("generation"),
    text: z.string(),
    alternativeLogLikelihood: number.nullable(),
  }),
]);

const entry = z.tuple([z.int().min(0), answer]);

/** What the answers are to. */
export interface Asked {
  /** Of every example, by its index. */
  readonly questions: readonly Question[];
  /** Logits of a classification head; 0 of other models. */
  readonly classes: number;
}

/** Larger files are not ours: 100,000 examples take some 20 MB. */
const bytesLimit = 2 ** 29;

/**
 * Opens the file of answers, or makes it. Answers to something else are dropped; so is a last line that was not written to
 * its end, and what follows a damaged one.
 * @param madeFrom all that decides the answers.
 */
export async function openKeptAnswers(file: string, madeFrom: object, asked: Asked): Promise<KeptAnswers> {
  try {
    await makeFolder(path.dirname(file));
    // A link is not followed: in a stranger's run it may lead to any file, and what is no answer is cut off.
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW);
    try {
      return await readKept(handle, file, { format: "luthier-answers", version: 1, madeFrom }, asked);
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw fileError("open", file, error);
  }
}

async function readKept(
  handle: FileHandle,
  file: string,
  header: object,
  asked: Asked,
): Promise<KeptAnswers> {
  const { size } = await handle.stat();
  if (size > bytesLimit) {
    throw new LuthierError(
      `${file} has ${size} bytes: it is no file of answers`,
      "delete it: it is made again",
    );
  }
  const { answers, sound } = soundLines(await handle.readFile(), header, asked);
  await handle.truncate(sound);
  let end = sound;
  const write = async (lines: readonly object[]) => {
    const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await writeFully(handle, bytes, end);
    await handle.sync();
    end += bytes.length;
  };
  if (sound === 0) {
    await write([header]);
    await flushDirectory(path.dirname(file));
  }
  return {
    answers,
    async append(entries) {
      try {
        await write(entries);
      } catch (error) {
        throw fileError("write", file, error);
      }
    },
    close: () => handle.close(),
  };
}

/** The answers of the lines up to the first that is wrong, and how many bytes these have. */
function soundLines(bytes: Buffer, header: object, asked: Asked) {
  const answers = new Map<number, Answer>();
  let sound = 0;
  const lineEnd = () => bytes.indexOf("\n", sound);
  for (let end = lineEnd(); end >= 0; end = lineEnd()) {
    const value = parsed(bytes.subarray(sound, end));
    if (sound === 0) {
      if (!isDeepStrictEqual(value, JSON.parse(JSON.stringify(header)))) break;
    } else {
      const read = entry.safeParse(value);
      if (!read.success || !isAnswerTo(asked, ...read.data)) break;
      answers.set(...read.data);
    }
    sound = end + 1;
  }
  return { answers, sound };
}

function isAnswerTo({ questions, classes }: Asked, example: number, answer: Answer): boolean {
  const question = questions.at(example);
  if (question?.kind !== answer.kind) return false;
  if (answer.kind === "classes") return answer.logits.length === classes;
  if (question.kind === "generation" && answer.kind === "generation") {
    return (question.alternative === null) === (answer.alternativeLogLikelihood === null);
  }
  if (question.kind !== "choices" || answer.kind !== "choices") return true;
  const count = question.choices.length;
  return answer.logLikelihoods.length === count && answer.greedy.length === count;
}

/** Undefined for what is no JSON in UTF-8. */
function parsed(line: Uint8Array): unknown {
  try {
    return parseJson(new TextDecoder("utf-8", { fatal: true }).decode(line));
  } catch {
    return undefined;
  }
}
