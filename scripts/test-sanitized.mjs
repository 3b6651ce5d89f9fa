// Runs tests on an addon that stops at the first access out of bounds and the first undefined operation: AddressSanitizer
// and UndefinedBehaviorSanitizer of GCC on Linux. Arguments are folders of tests; those of the kernels by default.
import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const compiler = process.env.CXX ?? "c++";
const chosen = process.argv.slice(2);

execFileSync(process.execPath, [path.join(root, "native/build.mjs"), "--sanitize"], {
  stdio: "inherit",
  env: { ...process.env, LUTHIER_REQUIRE_NATIVE: "1" },
});

/** Node does not link them, so they are loaded first; libstdc++ too, whose exceptions AddressSanitizer looks up. */
const preloaded = ["libasan.so", "libubsan.so", "libstdc++.so"].map((name) =>
  execFileSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" }).trim(),
);

const tests = chosen.length > 0 ? chosen : ["test/kernels"];
const { status, signal } = spawnSync("npx", ["vitest", "run", "--project", "unit", ...tests], {
  cwd: root,
  stdio: "inherit",
  env: {
    ...process.env,
    LUTHIER_ADDON: path.join(root, "native/sanitized/luthier.node"),
    LD_PRELOAD: preloaded.join(":"),
    // V8 frees nothing at its end; that is no leak of ours. WebAssembly's guard pages need faults to come through.
    ASAN_OPTIONS: "detect_leaks=0:handle_segv=0:allow_user_segv_handler=1",
    UBSAN_OPTIONS: "print_stacktrace=1",
  },
});
if (signal) console.error(`stopped by ${signal}`);
process.exit(status ?? 1);
