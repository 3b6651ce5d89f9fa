import type { ModelContext, ModelDescription } from "./architecture.js";

/** What `openModel` puts together. */
export interface ModelParts extends ModelContext {
  /** As `describeModel` gives it for the configuration. */
  readonly description: ModelDescription;
  /** True when the executor computes the head too; else it is read from `source` in parts, never whole. */
  readonly headInExecutor: boolean;
  /** Hidden states that a pass may hold; 512 MiB by default. */
  readonly activationBytes?: number;
}
