import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { findTasks, tasks } from "../../../src/evaluation/tasks/registry.js";

test("names are unique, lower case and in docs/tasks.md, with the harness's task and version", () => {
  const page = readFileSync("docs/tasks.md", "utf8");
  expect(new Set(tasks.map(({ name }) => name)).size).toBe(tasks.length);
  for (const { name, data, forms } of tasks) {
    expect(name).toMatch(/^[a-z0-9-]+(:[a-z0-9-]+)?$/);
    const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\` |`)) ?? expect.fail(name);
    expect(row).toContain(data.dataset.replace(/@.*/, ""));
    expect(row).toContain(data.split);
    for (const { harness, metrics } of Object.values(forms)) {
      if (harness !== null) expect(row).toContain(`\`${harness.task}\` ${harness.version}`);
      for (const metric of metrics) expect(row).toContain(`\`${metric.name}\``);
    }
  }
});

test("a task is found by its name", () => {
  expect(findTasks("arc-easy").map(({ name }) => name)).toEqual(["arc-easy"]);
  expect(findTasks("mmlu").map(({ name }) => name)).toEqual(["mmlu"]);
});

test("a group is all that have its name before a colon", () => {
  expect(findTasks("glue").map(({ name }) => name)).toEqual(
    "cola sst2 mrpc stsb qqp mnli mnli-mismatched qnli rte wnli".split(" ").map((name) => `glue:${name}`),
  );
});

test("an unknown name is refused with the nearest, or with all", () => {
  const fixOf = (name: string) => {
    try {
      findTasks(name);
    } catch (error) {
      expect(error).toMatchObject({ message: `no task is called ${name}`, usage: true });
      return (error as { fix: string }).fix;
    }
    return expect.fail(name);
  };
  expect(fixOf("glue:sst-2")).toMatch(/^Did you mean glue:sst2\? Choose one of: glue, glue:cola, /);
  expect(fixOf("hellaswagg")).toMatch(/^Did you mean hellaswag\?/);
  expect(fixOf("")).toMatch(/^Choose one of: glue/);
  expect(fixOf("glue:")).toMatch(/^Did you mean glue\?/);
});
