import { hubCacheFolder } from "../checkpoint/hub-cache.js";
import { isOffline } from "../checkpoint/hub-connection.js";
import type { KernelPath, Kernels } from "../kernels/kernels.js";
import { type MachineLimits, measureLimits } from "../kernels/limits.js";
import { type AddonState, addonState } from "../kernels/open.js";
import { adviceOn, type Finding } from "./doctor-advice.js";
import { type DiskPlace, diskPlace, type Machine, readMachine } from "./machine.js";
import { versions } from "./versions.js";

/** All that `luthier doctor` finds. */
export interface Checkup {
  readonly versions: ReturnType<typeof versions>;
  readonly machine: Machine;
  readonly addon: AddonState;
  /** Paths of the addon that this processor runs, best first. */
  readonly paths: readonly KernelPath[];
  /** The path and threads that work is done on now. */
  readonly kernels: KernelPath;
  readonly threads: number;
  /** Null on the reference path, or when there is not the memory to measure in. */
  readonly limits: MachineLimits | null;
  /** Why onnxruntime, which float operations need, does not load; null when it does. */
  readonly onnxruntimeFault: string | null;
  readonly workingFolder: DiskPlace;
  readonly hub: {
    readonly cache: DiskPlace;
    readonly isOffline: boolean;
    /** Whether HF_TOKEN is set; what it is, is told to nobody. */
    readonly hasToken: boolean;
  };
}

export interface Diagnosis extends Checkup {
  readonly findings: readonly Finding[];
  /** False when something does not work; what merely slows down is no fault. */
  readonly works: boolean;
}

/** Measuring reads half a GiB again and again. */
const bytesToMeasureIn = 2 ** 30;

/** Looks at the machine, measures its memory, and says what is missing. About two seconds. */
export async function examine(
  kernels: Kernels,
  folder: string,
  environment: NodeJS.ProcessEnv,
): Promise<Diagnosis> {
  const machine = await readMachine(environment);
  const canMeasure = machine.freeMemoryBytes >= bytesToMeasureIn;
  const checkup: Checkup = {
    versions: versions(),
    machine,
    addon: addonState(),
    paths: addonState().addon?.paths() ?? [],
    kernels: kernels.path,
    threads: kernels.threads,
    limits: canMeasure ? await measureLimits(kernels) : null,
    onnxruntimeFault: await onnxruntimeFault(),
    workingFolder: await diskPlace(folder),
    hub: {
      cache: await diskPlace(hubCacheFolder(environment)),
      isOffline: isOffline(environment),
      hasToken: Boolean(environment.HF_TOKEN),
    },
  };
  const findings = adviceOn(checkup);
  return { ...checkup, findings, works: findings.every(({ isFault }) => !isFault) };
}

async function onnxruntimeFault(): Promise<string | null> {
  try {
    await import("onnxruntime-node");
    return null;
  } catch (error) {
    return (error as Error).message.split("\n")[0];
  }
}
