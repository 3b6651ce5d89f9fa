import pc from "picocolors";
import type { OnProgress, Progress } from "../src/pipeline/progress.js";
import { secondsText } from "../src/report/text.js";

/** Shows progress on stderr: one line that is drawn over on a terminal, few lines elsewhere. */
export function openProgress(quiet: boolean): OnProgress {
  if (quiet) return () => {};
  return process.stderr.isTTY ? terminalProgress() : lineProgress();
}

function terminalProgress(): OnProgress {
  let stage = "";
  let started = 0;
  return (progress) => {
    if (progress.stage !== stage) {
      stage = progress.stage;
      started = performance.now();
    }
    const elapsed = (performance.now() - started) / 1000;
    const finished = progress.done === progress.total;
    const text = finished
      ? `${pc.green("✓")} ${stage} ${pc.dim(secondsText(elapsed))}`
      : bar(progress, elapsed);
    process.stderr.write(`\r\x1b[2K${text}${finished ? "\n" : ""}`);
  };
}

/** No wider than the terminal: what is under way is cut where the room ends. */
function bar({ stage, done, total, what }: Progress, elapsed: number): string {
  const width = 24;
  const filled = Math.round((width * done) / Math.max(total, 1));
  const left = done === 0 ? "" : ` ${secondsText((elapsed * (total - done)) / done)} left`;
  const counts = `${done}/${total}${left}`;
  const room = (process.stderr.columns || 100) - `${stage}  ${counts} `.length - width - 1;
  const shown = pc.dim(what.slice(0, Math.max(0, room)));
  return `${stage} ${"█".repeat(filled)}${pc.dim("░".repeat(width - filled))} ${counts} ${shown}`;
}

/** A line when a stage is done, and one every few seconds of a long one. */
function lineProgress(): OnProgress {
  const secondsBetween = 5;
  let stage = "";
  let started = 0;
  let told = 0;
  return ({ stage: name, done, total }) => {
    const now = performance.now() / 1000;
    if (name !== stage) {
      stage = name;
      started = now;
      told = now;
    }
    if (done < total && now - told < secondsBetween) return;
    told = now;
    process.stderr.write(`${name}: ${done}/${total} ${secondsText(now - started)}\n`);
  };
}
