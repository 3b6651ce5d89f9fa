import { describe, expect, test } from "vitest";
import { loadDevice, parseDevice, shippedDeviceNames } from "../../src/recipe/device.js";

describe.each(await shippedDeviceNames())("%s", (name) => {
  test("parses, and is called like its file", async () => {
    expect((await loadDevice(name)).name).toBe(name);
  });
});

const own = `version: 1
name: my-board
what: a board on my desk
source: its data sheet
clockHertz: { value: 300e6, source: timing report }
offChipBytesPerSecond: { value: 19.2e9, source: data sheet }
units:
  kind: fpga
  luts: { value: 100000, source: data sheet }
  dsps: { value: 100, source: data sheet }
`;

test("a device of one's own needs little, and the rest is empty", () => {
  expect(parseDevice(own, "mine.yaml")).toMatchObject({
    clockHertz: { value: 3e8 },
    onChip: [],
    power: [],
    published: [],
  });
});

describe("a fault is told with its line and the way out", () => {
  const cases: [string, string, string, RegExp][] = [
    [
      "a mistyped key",
      "clockHertz",
      "clockHerz",
      /^mine\.yaml:5: unknown key `clockHerz`: did you mean `clockHertz`\?/m,
    ],
    [
      "a mistyped kind",
      "kind: fpga",
      "kind: fgpa",
      /^mine\.yaml:8: unknown kind `fgpa`: did you mean `fpga`\?/,
    ],
    [
      "a number without a source",
      "{ value: 300e6, source: timing report }",
      "{ value: 300e6 }",
      /^mine\.yaml:5: `clockHertz\.source`/,
    ],
    ["a number in words", "value: 300e6", "value: 300 MHz", /^mine\.yaml:5: `clockHertz\.value`/],
    ["nothing a second", "value: 19.2e9", "value: 0", /^mine\.yaml:6: `offChipBytesPerSecond\.value`/],
    ["a name that is none", "name: my-board", "name: ../board", /^mine\.yaml:2: `name`/],
    ["no YAML", "what: a board", "what: [a board", /^mine\.yaml:\d+:\d+: /],
    ["aliases that unfold without end", "what: a board on my desk", "what: &a [*a]", /mine\.yaml/],
  ];
  test.each(cases)("%s", (_, from, to, message) => {
    expect(own).toContain(from);
    try {
      parseDevice(own.replace(from, to), "mine.yaml");
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ usage: true, fix: expect.stringContaining("docs/estimate.md") });
      expect((error as Error).message).toMatch(message);
    }
  });
});

test("a name that is nearly right is offered", async () => {
  await expect(loadDevice("kv-260")).rejects.toMatchObject({ usage: true, fix: "did you mean 'kv260'?" });
});
