import { expect, test } from "vitest";
import type { Checkup } from "../../src/pipeline/doctor.js";
import { adviceOn } from "../../src/pipeline/doctor-advice.js";

const gibibyte = 2 ** 30;
const disk = { folder: "/work", freeBytes: 100 * gibibyte, isWritable: true };

const sound: Checkup = {
  versions: { luthier: "0.1.0", node: "20.0.0", "onnxruntime-node": "1.30.0" },
  machine: {
    processor: "a processor",
    cores: 4,
    usableCores: 4,
    instructionSets: ["avx2"],
    memoryBytes: 16 * gibibyte,
    freeMemoryBytes: 12 * gibibyte,
    memoryLimitBytes: null,
    compiler: { command: "c++", version: "c++ 12", hasCpp20: true },
    npm: "11.0.0",
    openFiles: 4096,
  },
  addon: { file: "/luthier.node", addon: null, fault: null },
  paths: ["avx2", "portable"],
  kernels: "avx2",
  threads: 4,
  limits: null,
  onnxruntimeFault: null,
  workingFolder: disk,
  hub: { cache: { ...disk, folder: "/cache" }, isOffline: false, hasToken: false },
};

const { machine, hub } = sound;
const notBuilt = { file: null, addon: null, fault: null };

test("a sound machine needs nothing", () => expect(adviceOn(sound)).toEqual([]));

test.each<[string, Partial<Checkup>, boolean, RegExp, RegExp]>([
  [
    "an old Node.js",
    { versions: { ...sound.versions, node: "18.20.1" } },
    true,
    /18\.20\.1 is too old/,
    /20 or newer/,
  ],
  [
    "onnxruntime that does not load",
    { onnxruntimeFault: "no such file" },
    true,
    /does not load \(no such file\)/,
    /npm ci/,
  ],
  [
    "an addon not built",
    { addon: notBuilt },
    false,
    /not built, though c\+\+ is here/,
    /npm run build.*failure\.txt/,
  ],
  [
    "no compiler",
    { addon: notBuilt, machine: { ...machine, compiler: null } },
    false,
    /there is no C\+\+ compiler/,
    /Install a C\+\+20 compiler/,
  ],
  [
    "an old compiler",
    {
      addon: notBuilt,
      machine: { ...machine, compiler: { command: "g++-7", version: "7", hasCpp20: false } },
    },
    false,
    /g\+\+-7 knows no C\+\+20/,
    /CXX/,
  ],
  [
    "an addon of another machine",
    { addon: { file: "/luthier.node", addon: null, fault: "wrong ELF class" }, kernels: "reference" },
    false,
    /does not load \(wrong ELF class\)/,
    /on this machine/,
  ],
  [
    "a slower path asked for",
    { kernels: "portable" },
    false,
    /asks for portable; this machine has avx2/,
    /Unset/,
  ],
  [
    "no instruction set",
    { kernels: "portable", paths: ["portable"] },
    false,
    /none of the instruction/,
    /AVX2/,
  ],
  [
    "little free memory",
    { machine: { ...machine, freeMemoryBytes: gibibyte } },
    false,
    /^1\.0 GiB of memory is free$/,
    /--dry-run/,
  ],
  [
    "a small control group",
    { machine: { ...machine, freeMemoryBytes: gibibyte / 2, memoryLimitBytes: gibibyte } },
    false,
    /the control group allows 1\.0 GiB/,
    /container or job/,
  ],
  [
    "a folder that cannot be written",
    { workingFolder: { ...disk, isWritable: false } },
    false,
    /\/work cannot be written/,
    /--out/,
  ],
  [
    "a cache that cannot be written",
    { hub: { ...hub, cache: { ...hub.cache, isWritable: false } } },
    true,
    /\/cache cannot be written/,
    /HF_HOME.*HF_HUB_OFFLINE/,
  ],
  [
    "a disk that fills up",
    { workingFolder: { ...disk, freeBytes: 2 * gibibyte } },
    false,
    /\/work has 2\.00 GiB free/,
    /--out/,
  ],
  [
    "a full disk",
    { hub: { ...hub, cache: { ...hub.cache, freeBytes: 0 } } },
    true,
    /0\.00 GiB free/,
    /HF_HOME/,
  ],
  ["few open files", { machine: { ...machine, openFiles: 256 } }, false, /only 256 files/, /ulimit -n 4096/],
])("%s is found, with the way out", (_, missing, isFault, what, fix) => {
  const findings = adviceOn({ ...sound, ...missing });
  expect(findings).toEqual([{ isFault, what: expect.stringMatching(what), fix: expect.stringMatching(fix) }]);
});

test("offline, the cache may be full or closed", () => {
  const cache = { ...hub.cache, freeBytes: 0, isWritable: false };
  expect(adviceOn({ ...sound, hub: { ...hub, cache, isOffline: true } })).toEqual([]);
});

test("faults come before what is merely slow", () => {
  const findings = adviceOn({ ...sound, addon: notBuilt, onnxruntimeFault: "no" });
  expect(findings.map(({ isFault }) => isFault)).toEqual([true, false]);
});
