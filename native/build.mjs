// Builds the native addon with one direct compiler call a source: no node-gyp, no header download (node-api-headers
// carries Node's headers). A machine without a C++20 compiler keeps working on the TypeScript reference.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const here = path.dirname(fileURLToPath(import.meta.url));
/** With `--sanitize`: an addon of its own that stops at the first wrong access or undefined operation, for `npm run test:sanitized`. */
const sanitize = process.argv.includes("--sanitize");
const out = path.join(here, sanitize ? "sanitized" : "build");
const addon = path.join(out, "luthier.node");
const failure = path.join(out, "failure.txt");
const compiler = process.env.CXX ?? "c++";

const require = createRequire(import.meta.url);
const includes = [require("node-api-headers").include_dir, require("node-addon-api").include_dir, here].map(
  (folder) => path.resolve(folder),
);

const sanitizers = sanitize ? ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] : [];

// No contraction and no fast math: every path must round exactly as the reference does.
const flags = [
  ..."-std=c++20 -O3 -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno -Wall -Wextra -Wno-psabi".split(
    " ",
  ),
  ..."-DNAPI_VERSION=8 -DNAPI_CPP_EXCEPTIONS".split(" "),
  ...sanitizers,
  ...(sanitize ? ["-O1", "-g1", "-fno-omit-frame-pointer"] : []),
  ...(process.env.LUTHIER_NATIVE_FLAGS?.split(" ") ?? []),
  ...includes.map((folder) => `-I${folder}`),
];

/** The instruction sets that path.cpp is compiled for; the addon picks one when it runs. */
const paths = {
  portable: [],
  ...(process.arch === "x64" && {
    avx2: "-mavx2 -mfma -mf16c".split(" "),
    avx512:
      "-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi -mavx512vnni -mavx2 -mfma -mf16c -mprefer-vector-width=512".split(
        " ",
      ),
  }),
};

const sources = ["", "bindings"].flatMap((folder) =>
  readdirSync(path.join(here, folder))
    .filter((name) => name.endsWith(".cpp") && name !== "path.cpp")
    .map((name) => path.join(here, folder, name)),
);

/** The longest first. */
const units = [
  ...Object.entries(paths).map(([name, extra]) => ({
    source: path.join(here, "path.cpp"),
    name: `path_${name}`,
    extra: [`-DLUTHIER_PATH=${name}`, ...extra],
  })),
  ...sources.map((source) => ({ source, name: path.basename(source, ".cpp"), extra: x64PathsDefined() })),
];

function objectOf({ name }) {
  return path.join(out, `${name}.o`);
}

function x64PathsDefined() {
  return "avx512" in paths ? ["-DLUTHIER_X64"] : [];
}

function upToDate() {
  if (!existsSync(addon)) return false;
  const built = statSync(addon).mtimeMs;
  const inputs = ["", "bindings", "kernels"].flatMap((folder) =>
    readdirSync(path.join(here, folder), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(here, folder, entry.name)),
  );
  return inputs.every((file) => statSync(file).mtimeMs <= built);
}

mkdirSync(out, { recursive: true });
if (upToDate() && !process.env.LUTHIER_NATIVE_FLAGS) {
  console.log("native addon: up to date");
} else {
  try {
    const waiting = [...units];
    const compileInTurn = async () => {
      for (let unit = waiting.shift(); unit; unit = waiting.shift()) {
        await run(compiler, [...flags, ...unit.extra, "-c", unit.source, "-o", objectOf(unit)]);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, compileInTurn));
    const fresh = `${addon}.${process.pid}.tmp`;
    const undefinedSymbols = process.platform === "darwin" ? ["-undefined", "dynamic_lookup"] : [];
    await run(compiler, [
      "-shared",
      "-pthread",
      ...undefinedSymbols,
      ...sanitizers,
      ...units.map(objectOf),
      "-o",
      fresh,
    ]);
    renameSync(fresh, addon);
    rmSync(failure, { force: true });
    console.log(`native addon: built with ${compiler} for ${Object.keys(paths).join(", ")}`);
  } catch (error) {
    writeFileSync(failure, String(error.stderr || error.message));
    console.warn(
      `native addon: not built (${String(error.message).split("\n")[0]}); see ${failure}.\n` +
        "Everything still works on the TypeScript reference, slower. Install a C++20 compiler and run `npm run build`.",
    );
    if (process.env.LUTHIER_REQUIRE_NATIVE) process.exit(1);
  }
}
