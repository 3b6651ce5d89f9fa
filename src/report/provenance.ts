import type { RunRecord } from "../pipeline/run-directory.js";

/** What decides a run's bytes, besides its recipe. */
export interface Provenance {
  /** Of this package, its commit where it is a clone, of what it computes with, and the platform. */
  readonly versions: Readonly<Record<string, string>>;
  /** Files of the checkpoint. */
  readonly inputs: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
  /** The text that methods were fitted to; null where none was needed. */
  readonly calibration: { readonly name: string; readonly sha256: string } | null;
}

export function provenanceOf({ versions, inputs, calibration }: RunRecord): Provenance {
  return {
    versions,
    inputs: inputs.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
    calibration: calibration ? { name: calibration.name, sha256: calibration.sha256 } : null,
  };
}

/** Files by their sha256, software by its version. */
export function provenanceRows({
  versions,
  inputs,
  calibration,
}: Provenance): readonly (readonly string[])[] {
  return [
    ...inputs.map(({ name, sha256 }) => [name, sha256]),
    ...(calibration ? [[`calibration text ${calibration.name}`, calibration.sha256]] : []),
    ...Object.entries(versions),
  ];
}
