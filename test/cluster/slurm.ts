import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { accessSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, hostname, tmpdir, userInfo } from "node:os";
import path from "node:path";

/* A Slurm of one node on loopback: munged, slurmctld and slurmd in the foreground, with all they write in one folder. */

export interface Slurm {
  /** Runs one of Slurm's commands; what it prints. @throws Error with its stderr. */
  run(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string>;
  stop(): Promise<void>;
}

const needed = ["/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/bin/sbatch"];

export async function startSlurm(): Promise<Slurm> {
  for (const program of needed) expectInstalled(program, "slurmctld slurmd slurm-client munge");
  const folder = mkdtempSync(path.join(tmpdir(), "luthier-slurm-"));
  chmodSync(folder, 0o711); // munged wants a socket that everybody can reach
  for (const name of ["munge", "state", "spool"]) mkdirSync(path.join(folder, name), { mode: 0o711 });
  writeFileSync(path.join(folder, "munge", "key"), randomBytes(128), { mode: 0o600 });
  const configuration = path.join(folder, "slurm.conf");
  writeFileSync(configuration, configurationOf(folder, await freePort(), await freePort()));
  const env = { ...process.env, SLURM_CONF: configuration };
  const run: Slurm["run"] = (command, args, more = {}) =>
    new Promise((resolve, reject) => {
      execFile(command, args, { env: { ...env, ...more } }, (error, out, err) => {
        if (error) reject(new Error(`${command} ${args.join(" ")}: ${err || error.message}`));
        else resolve(out.trim());
      });
    });

  const daemons: ChildProcess[] = [];
  const start = (program: string, args: readonly string[]) =>
    daemons.push(spawn(program, args, { env, stdio: "ignore" }));
  const stop = async () => {
    for (const daemon of daemons.reverse()) {
      if (daemon.exitCode !== null || daemon.signalCode !== null) continue;
      const ended = new Promise((resolve) => daemon.once("exit", resolve));
      daemon.kill("SIGTERM");
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const munge = (name: string) => path.join(folder, "munge", name);
    start("/usr/sbin/munged", [
      "--foreground",
      ...["key-file", "socket", "pid-file", "log-file", "seed-file"].map(
        (option) => `--${option}=${munge(option.replace("-file", ""))}`,
      ),
    ]);
    await until("munged", async () => accessSync(munge("socket")));
    start("/usr/sbin/slurmctld", ["-D"]);
    start("/usr/sbin/slurmd", ["-D"]);
    await until("an idle node", async () => {
      if ((await run("sinfo", ["--noheader", "--format=%t"])) !== "idle") throw new Error(logsOf(folder));
    });
    return { run, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @param packages of Debian, that bring it. */
export function expectInstalled(program: string, packages: string): void {
  try {
    accessSync(program);
  } catch {
    throw new Error(`this suite needs ${program}: apt-get install --no-install-recommends ${packages}`);
  }
}

function configurationOf(folder: string, controllerPort: number, nodePort: number): string {
  const node = hostname().split(".")[0];
  const user = userInfo().username;
  return `
ClusterName=luthier
SlurmctldHost=${node}(127.0.0.1)
SlurmctldPort=${controllerPort}
SlurmdPort=${nodePort}
SlurmUser=${user}
SlurmdUser=${user}
AuthType=auth/munge
AuthInfo=socket=${folder}/munge/socket
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName=${node} NodeAddr=127.0.0.1 CPUs=${availableParallelism()} RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;
}

function logsOf(folder: string): string {
  const last = (name: string) => readFileSync(path.join(folder, name), "utf8").slice(-2000);
  return `${last("slurmctld.log")}\n${last("slurmd.log")}`;
}

/** Waits until something does not throw, 30 s at most. */
export async function until(what: string, done: () => Promise<void>): Promise<void> {
  for (const started = Date.now(); ; ) {
    try {
      return await done();
    } catch (cause) {
      if (Date.now() - started > 30_000) throw new Error(`no ${what} after 30 s`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
