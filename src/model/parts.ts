import type { TensorSource } from "../checkpoint/tensor-source.js";
import type { Kernels } from "../kernels/kernels.js";
import type { ModelDescription } from "./architecture.js";
import type { Executor } from "./executor.js";
import type { Ops } from "./ops.js";
import type { Spill } from "./spill.js";

/** What `openModel` puts together. */
export interface ModelParts {
  readonly config: Readonly<Record<string, unknown>>;
  /** As `describeModel` gives it for the configuration. */
  readonly description: ModelDescription;
  /** Where the tensors lie that are not linears. */
  readonly source: TensorSource;
  readonly executor: Executor;
  readonly ops: Ops;
  readonly kernels: Kernels;
  /** True when the executor computes the head too; else it is read from `source` in parts, never whole. */
  readonly headInExecutor: boolean;
  /** Hidden states that a pass may hold; 512 MiB by default. */
  readonly activationBytes?: number;
  /** Where hidden states between blocks are kept; in memory without it. */
  readonly spill?: Spill;
}
