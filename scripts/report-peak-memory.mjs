// For `node --import`: when the process ends, writes its peak resident memory in bytes into $LUTHIER_PEAK_FILE.
// It is read from Linux's /proc: `ru_maxrss` would begin with the memory of the process that started this one.
import { readFileSync, writeFileSync } from "node:fs";

process.on("exit", () => {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  if (process.env.LUTHIER_PEAK_FILE) writeFileSync(process.env.LUTHIER_PEAK_FILE, String(kibibytes * 1024));
});
