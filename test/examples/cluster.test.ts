import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { luthierOnPath } from "../cli/luthier-on-path.js";
import { bundledModel, hashesOf, quantizeBundled, suiteFolder } from "../pipeline/run.js";

/* The Slurm scripts and GNU parallel's: test/cluster. */

const examples = path.join(import.meta.dirname, "../../examples/cluster");
const folder = suiteFolder();
const one = path.join(folder, "one");
const given = { MODEL: bundledModel, RECIPE: "trit-planes-g128", THREADS: "1", PARTS: "2" };

beforeAll(() => quantizeBundled(given.RECIPE, one));

test("the shell loop makes two parts side by side and merges them to the bytes of one process", async () => {
  const run = path.join(folder, "loop");
  await start(path.join(examples, "loop.sh"), [], { ...given, RUN: run });
  expect(hashesOf(run)).toEqual(hashesOf(one));
});

test("the shell loop ends with a failed part's error and merges nothing", async () => {
  const failed = start(path.join(examples, "loop.sh"), [], { ...given, RECIPE: "no-such", RUN: folder });
  await expect(failed).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining("no-such") });
});

test("the commands of the Kubernetes Jobs, each index in its turn, give the bytes of one process", async () => {
  const run = path.join(folder, "kubernetes");
  const parts = jobOf("kubernetes-parts.yaml");
  for (let index = 0; index < parts.completions; index++) {
    await start(parts.command[0], parts.command.slice(1), {
      ...parts.env,
      ...given,
      ...{ RUN: run, PARTS: parts.env.PARTS, JOB_COMPLETION_INDEX: String(index) },
    });
  }
  const merge = jobOf("kubernetes-merge.yaml");
  await start(merge.command[0], merge.command.slice(1), { ...merge.env, THREADS: "1", RUN: run });
  expect(hashesOf(run)).toEqual(hashesOf(one));
});

test("the Kubernetes Job has an index for each part, and the pods share a volume where model and run lie", () => {
  const { kind, apiVersion, spec } = parsed("kubernetes-parts.yaml");
  expect({ kind, apiVersion, mode: spec.completionMode }).toEqual({
    ...{ kind: "Job", apiVersion: "batch/v1", mode: "Indexed" },
  });
  const parts = jobOf("kubernetes-parts.yaml");
  expect(parts.env.PARTS).toBe(String(parts.completions));
  for (const { env, mountPath, volumes, mounted } of [parts, jobOf("kubernetes-merge.yaml")]) {
    expect(volumes).toContain(mounted);
    expect(env.RUN.startsWith(`${mountPath}/`)).toBe(true);
  }
  expect(parts.env.MODEL.startsWith(`${parts.mountPath}/`)).toBe(true);
});

test.each(["slurm-parts.sh", "slurm-merge.sh", "parallel.sh"])(
  "%s is a sound bash script",
  async (script) => {
    await start("bash", ["-n", path.join(examples, script)], {});
  },
);

function parsed(file: string) {
  return parse(readFileSync(path.join(examples, file), "utf8"));
}

function jobOf(file: string) {
  const { completions, template } = parsed(file).spec;
  const [container] = template.spec.containers;
  const [mount] = container.volumeMounts;
  const variables = container.env.map(({ name, value }: { name: string; value: string }) => [name, value]);
  return {
    completions: completions as number,
    command: container.command as readonly string[],
    env: Object.fromEntries(variables) as Record<string, string>,
    mountPath: mount.mountPath as string,
    mounted: mount.name as string,
    volumes: template.spec.volumes.map(({ name }: { name: string }) => name) as readonly string[],
  };
}

function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  return promisify(execFile)(command, args, { env: { ...process.env, ...env, ...luthierOnPath() } });
}
