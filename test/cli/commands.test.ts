import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { bundledModel, hashesOf, temporaryFolder } from "../pipeline/run.js";
import { luthier } from "./luthier.js";

const text = path.join(import.meta.dirname, "../../calibration/the-fiddle-maker.txt");

test("the whole job by commands: quantize, pack again, verify, inspect, eval, all with --json", async () => {
  const out = path.join(temporaryFolder(), "run");
  const json = async (...args: string[]) => {
    const { code, out: printed, err } = await luthier(...args, "--json", "--quiet");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    return JSON.parse(printed);
  };
  const summary = await json("quantize", bundledModel, "--recipe", "rtn-int2-g64", "--out", out);
  expect(summary).toMatchObject({ recipe: "rtn-int2-g64", quantizedWeights: 3145728 });
  expect(summary.packs[0].target).toBe("t-mac");
  const manifest = await json("pack", out, "--target", "t-mac", "--set", "kFactor=8");
  expect(manifest.linears[0].layout.kFactor).toBe(8);
  const cached = await json("pack", out, "--target", "onnx", "--set", "cache=true", "accuracyLevel=4");
  expect(cached.parameters).toEqual({ cache: true, accuracyLevel: 4 });
  expect((await json("verify", out)).faults).toEqual([]);
  const linear = await json("inspect", out, "--linear", "model.layers.0.mlp.down_proj");
  expect(linear.codes.map(({ code }: { code: string }) => code).sort()).toEqual(["0", "1", "2", "3"]);
  const [score] = await json(
    "eval",
    out,
    "--engine",
    "lut",
    "--target",
    "t-mac",
    "--text",
    text,
    "--context",
    "128",
  );
  expect(score).toMatchObject({ engine: "lut", target: "t-mac", context: 128, stride: 128 });
  expect(score.perplexity).toBeGreaterThan(30);
});

test("a recipe of one's own: its texts lie beside it, and targets and evaluations may be added to a run later", async () => {
  const folder = temporaryFolder();
  const out = path.join(folder, "run");
  const recipe = path.join(folder, "mine.yaml");
  copyFileSync(text, path.join(folder, "novel.txt"));
  const rules =
    'version: 1\nrules: [{ match: lm_head, keep: float }, { match: "*", quantize: { method: twn } }]\n';
  const quantize = async () => {
    const {
      code,
      out: printed,
      err,
    } = await luthier("quantize", bundledModel, "--recipe", recipe, "--out", out, "--json");
    expect({ code, err: err.includes("error") }).toEqual({ code: 0, err: false });
    return JSON.parse(printed);
  };
  writeFileSync(recipe, rules);
  expect(await quantize()).toMatchObject({ packs: [], scores: [] });
  const before = hashesOf(out, ["quantized"]);

  writeFileSync(
    recipe,
    `${rules}targets: [{ target: t-mac }]\nevaluate: [{ task: perplexity, text: novel.txt, context: 256 }]\n`,
  );
  const { packs, scores } = await quantize();
  expect(packs.map(({ target }: { target: string }) => target)).toEqual(["t-mac"]);
  expect(scores.map(({ of, engine }: { of: string; engine: string }) => `${of} ${engine}`)).toEqual([
    "checkpoint float",
    "run float",
    "run lut",
  ]);
  expect(hashesOf(out, ["quantized"])).toEqual(before);
  expect((await luthier("inspect", out)).out).toContain("t-mac pack, LUT engine");
});

test("a dry run prints the plan and writes nothing", async () => {
  const out = path.join(temporaryFolder(), "run");
  const { code, out: printed } = await luthier(
    "quantize",
    bundledModel,
    "--recipe",
    "trit-planes-g128",
    "--out",
    out,
    "--dry-run",
  );
  expect(code).toBe(0);
  expect(printed).toContain("28 linears to quantize");
  expect(printed).toContain("28 linears can be made in parts (--part)");
  expect(printed).toMatch(/Time: about .* without scoring \(from .* of measuring on this machine\)/);
  expect((await luthier("verify", out)).code).toBe(1);
});

test("a dry run says in JSON what the run would take", async () => {
  const dryRun = ["quantize", bundledModel, "--recipe", "gptq-int4-g128", "--dry-run", "--json"];
  const { prediction } = JSON.parse((await luthier(...dryRun)).out);
  expect(prediction.memory.peakBytes).toBeGreaterThan(2 ** 27);
  expect(prediction.disk.quantizedBytes).toBeGreaterThan(0);
  expect(prediction.tokens).toBeGreaterThan(0);
  expect(prediction.timeSeconds).toBeGreaterThan(0);
  expect(prediction.timeUnknown).toEqual([]);
});

test.each([["recipes"], ["targets"], ["tasks"], ["devices"], ["doctor"], ["inspect", bundledModel]])(
  "%s prints text and JSON",
  async (...args) => {
    expect((await luthier(...args)).out.length).toBeGreaterThan(50);
    expect(JSON.parse((await luthier(...args, "--json")).out)).toBeTruthy();
  },
);

describe("wrong usage leaves with 2 and says the way out", () => {
  const cases: [string, string[], RegExp][] = [
    ["an unknown command", ["quantise"], /did you mean quantize/i],
    ["an unknown option", ["verify", "x", "--jsn"], /--json/],
    ["a missing recipe", ["quantize", bundledModel], /--recipe/],
    [
      "a mistyped recipe",
      ["quantize", bundledModel, "--recipe", "rtn-int4-g12"],
      /did you mean 'rtn-int4-g128'/i,
    ],
    ["an unknown target", ["pack", "x", "--target", "tmac"], /t-mac, .*tellme/],
    ["no text", ["eval", bundledModel], /--text/],
    [
      "a part beyond the last",
      ["quantize", bundledModel, "--recipe", "rtn-int2-g64", "--part", "5/4"],
      /1\/n to n\/n/,
    ],
    [
      "a part that would delete the others",
      ["quantize", bundledModel, "--recipe", "rtn-int2-g64", "--part", "1/4", "--fresh"],
      /delete what other parts have made/,
    ],
    ["a merge of nothing", ["merge", "no-such-run"], /holds no parts of a run/],
    ["an unknown task", ["eval", bundledModel, "--tasks", "glue:sst3"], /did you mean glue:sst2/i],
    [
      "examples for several tasks",
      ["eval", bundledModel, "--tasks", "arc-easy,boolq", "--data", "x.csv"],
      /one task at a time/,
    ],
    [
      "the lut engine on a checkpoint",
      ["eval", bundledModel, "--engine", "lut", "--text", text],
      /luthier quantize/,
    ],
    [
      "a context beyond the model's",
      ["eval", bundledModel, "--text", text, "--context", "512"],
      /256 or less/,
    ],
    [
      "a mistyped device",
      ["estimate", bundledModel, "--target", "tellme", "--device", "kv26"],
      /did you mean 'kv260'/i,
    ],
    [
      "a target without costs",
      ["estimate", bundledModel, "--target", "gguf", "--device", "kv260"],
      /choose one of t-mac/i,
    ],
    ["threads that are no count", ["verify", "x", "--threads", "two"], /whole number/],
  ];
  test.each(cases)("%s", async (_, args, way) => {
    const { code, out, err } = await luthier(...args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(way);
    expect(err).not.toContain("    at "); // no stack trace
  });
});

describe("a failure leaves with 1 and says the way out", () => {
  test("a folder that is no run", async () => {
    const { code, err } = await luthier("verify", temporaryFolder());
    expect(code).toBe(1);
    expect(err).toMatch(/holds no run/);
  });

  test("a folder of pickles", async () => {
    const folder = temporaryFolder();
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, "config.json"), "{}");
    writeFileSync(path.join(folder, "pytorch_model.bin"), "");
    const { code, err } = await luthier("inspect", folder);
    expect(code).toBe(1);
    expect(err).toMatch(/safe_serialization/);
  });

  test("a run folder that cannot be made", async () => {
    const blocked = path.join(temporaryFolder(), "file");
    writeFileSync(blocked, "");
    const { code, err } = await luthier(
      "quantize",
      bundledModel,
      "--recipe",
      "rtn-int2-g64",
      "--out",
      path.join(blocked, "run"),
    );
    expect(code).toBe(1);
    expect(err).toMatch(/file/);
  });
});

test("an estimate is printed, as JSON too, and its roofline is written", async () => {
  const folder = temporaryFolder();
  const svg = path.join(folder, "roofline.svg");
  const args = [
    "estimate",
    bundledModel,
    "--target",
    "tellme",
    "--device",
    "kv260",
    "--set",
    "columnsPerCycle=8",
  ];
  const { code, out: printed, err } = await luthier(...args, "--svg", svg);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(printed).toContain('"columnsPerCycle":8');
  expect(printed).toMatch(/published, whole models\n.*143 tok\/s/);
  expect(readFileSync(svg, "utf8")).toMatch(/^<svg /);
  const { decode } = JSON.parse((await luthier(...args, "--json")).out);
  expect(decode.kinds).toHaveLength(8);
});

test("a device of one's own is a YAML file, and its mistakes have a line", async () => {
  const board = path.join(temporaryFolder(), "board.yaml");
  const shipped = readFileSync(path.join(import.meta.dirname, "../../devices/kv260.yaml"), "utf8");
  const args = ["estimate", bundledModel, "--target", "tellme", "--device", board, "--json"];
  writeFileSync(board, shipped.replace("value: 250e6", "value: 500e6"));
  const { device } = JSON.parse((await luthier(...args)).out);
  expect(device.clockHertz.value).toBe(5e8);
  writeFileSync(board, shipped.replace("clockHertz", "clockMegahertz"));
  const { code, err } = await luthier(...args);
  expect(code).toBe(2);
  expect(err).toMatch(/board\.yaml:\d+: unknown key `clockMegahertz`/);
});

test("a stack trace comes only with --debug", async () => {
  expect((await luthier("verify", temporaryFolder(), "--debug")).err).toContain("    at ");
});
