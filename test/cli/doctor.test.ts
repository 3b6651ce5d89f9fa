import { expect, test } from "vitest";
import { start } from "./luthier.js";

const doctor = (environment: NodeJS.ProcessEnv, ...options: string[]) =>
  start(["doctor", ...options], { env: { ...process.env, ...environment } }).finished;

test("on a machine where all works the doctor leaves with 0 and has measured the memory", async () => {
  const { code, out } = await doctor({}, "--json");
  expect(code).toBe(0);
  const found = JSON.parse(out);
  expect(found.works).toBe(true);
  if (found.kernels === "reference") expect(found.limits).toBe(null);
  else expect(found.limits.readBytesPerSecond).toBeGreaterThan(1e8);
});

test("a cache without room is a fault: exit code 1, what is wrong and what to do", async () => {
  const { code, out } = await doctor({ HF_HUB_CACHE: "/proc/nowhere", HF_HUB_OFFLINE: "" });
  expect(code).toBe(1);
  expect(out).toMatch(/fault: the hub's cache \/proc\/nowhere/);
  expect(out).toMatch(/→ .*HF_HOME/);
});

test("a slower path than the machine has is a note, not a fault", async () => {
  const { code, out } = await doctor({ LUTHIER_KERNELS: "reference" }, "--json");
  expect(code).toBe(0);
  const { kernels, findings } = JSON.parse(out);
  expect(kernels).toBe("reference");
  expect(findings.length).toBeGreaterThan(0);
});

test("the token is told to be there and nothing more", async () => {
  for (const options of [[], ["--json"]]) {
    const { out, err } = await doctor({ HF_TOKEN: "hf_hidden" }, ...options);
    expect(out).toMatch(/is set|"hasToken": true/);
    expect(out + err).not.toContain("hf_hidden");
  }
});
