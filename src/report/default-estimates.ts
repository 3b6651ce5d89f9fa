import { LuthierError } from "../error.js";
import { estimate } from "../pipeline/estimate.js";
import type { Estimate } from "../pipeline/estimate-linears.js";
import { packedTargets } from "../pipeline/pack-files.js";
import { loadDevice, shippedDeviceNames } from "../recipe/device.js";
import type { Device } from "../targets/device.js";
import { targets } from "../targets/registry.js";

/** Tokens of the prompt, and those generated after it, as `luthier estimate` has them by default. */
const request = { prefill: 128, decode: 128 };

/**
 * What a run's packs cost, each on the shipped device that says most of its target: one with its power before one with
 * published results; none where no device has either, or the linears do not fit it.
 */
export async function defaultEstimates(run: string): Promise<readonly Estimate[]> {
  const devices = await Promise.all((await shippedDeviceNames()).map(loadDevice));
  const estimates: Estimate[] = [];
  for (const name of await packedTargets(run)) {
    const target = targets.find((each) => each.name === name);
    if (!target?.cost) continue;
    for (const device of devicesFor(name, devices)) {
      const found = await estimate({ path: run, target, device, ...request }).catch(noneIfRefused);
      if (found === null) continue;
      estimates.push(found);
      break;
    }
  }
  return estimates;
}

function devicesFor(target: string, devices: readonly Device[]): readonly Device[] {
  const says = (all: readonly { readonly target: string }[]) => all.some((each) => each.target === target);
  const withPower = devices.filter(({ power }) => says(power));
  const withResults = devices.filter((device) => says(device.published) && !withPower.includes(device));
  return [...withPower, ...withResults];
}

function noneIfRefused(error: unknown): null {
  if (error instanceof LuthierError) return null;
  throw error;
}
