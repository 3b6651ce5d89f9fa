import { stat } from "node:fs/promises";
import path from "node:path";
import type { TensorSource } from "../checkpoint/tensor-source.js";
import { readMatrix } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { type LinearInfo, linearsOf, type ModelDescription } from "../model/architecture.js";
import type { AttentionInput } from "../model/block-ops.js";
import { openFloatExecutor } from "../model/executors/float.js";
import { openObservingExecutor } from "../model/executors/observing.js";
import { openPackedExecutor } from "../model/executors/packed.js";
import { openRotatingExecutor } from "../model/executors/rotating.js";
import { describeModel, type Model, openModel } from "../model/model.js";
import { openModelCheckpoint } from "../model/open-checkpoint.js";
import { type Ops, openOps } from "../model/ops.js";
import type { Spill } from "../model/spill.js";
import { keptOfInput } from "../schemes/represent.js";
import type { Rotation } from "../schemes/rotation.js";
import type { ActivationScheme } from "../schemes/scheme.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { dequantize } from "../schemes/weights.js";
import type { Matrix } from "../tensor/matrix.js";
import { describeRun } from "./describe-run.js";
import { openUnits, type PackedUnits } from "./packed-units.js";
import {
  biasOf,
  type QuantizedEntry,
  quantizedFolder,
  readQuantizedIndex,
  readScheme,
} from "./quantized-files.js";

/**
 * What computes the linears: `float` in float32, on a run with its dequantized weights; `lut` the engine on the bytes of
 * a pack, with the arithmetic of its target.
 */
export type Engine = "float" | "lut";

export interface OpenModel {
  readonly model: Model;
  /** Folder of config.json and tokenizer.json. */
  readonly directory: string;
  /** The pack's target; null on the float engine. */
  readonly target: string | null;
  close(): Promise<void>;
}

export interface OpenModelOptions extends Observer {
  /** A checkpoint's or a run's folder. */
  readonly path: string;
  readonly engine: Engine;
  /** Which pack of a run; needed only when it has several. */
  readonly target?: string;
  readonly kernels: Kernels;
  /** Operations that several models share, and with them the memory that onnxruntime keeps; they stay open. */
  readonly ops?: Ops;
}

/** Who sees what a model computes. */
export interface Observer {
  /** Sees every linear's input before it is computed, rotated where it is to be; is waited for. */
  observe?(linears: readonly string[], input: Matrix): Promise<void> | void;
  /** Sees what each attention is computed from, right after the inputs of its linears. */
  observeAttention?(input: AttentionInput<Matrix, Float32Array>): void;
}

/** Opens a checkpoint or a run to be computed. @throws LuthierError when it is neither, or has no such pack. */
export async function openModelAt(options: OpenModelOptions): Promise<OpenModel> {
  if (await isRun(options.path)) return openRun(options);
  if (options.engine === "lut") {
    throw new LuthierError(
      `${options.path} is a checkpoint: it has no pack for the lut engine`,
      "quantize it first with `luthier quantize`, then evaluate the run; or use --engine float",
      { usage: true },
    );
  }
  return openCheckpointModel(await openModelCheckpoint(options.path), options.kernels, options);
}

/** Opens the float model of a checkpoint, as it is or as transforms have left it; closing the model closes it. */
export function openCheckpointModel(
  checkpoint: DequantizedCheckpoint,
  kernels: Kernels,
  {
    observe,
    observeAttention,
    ops,
    spill,
  }: Observer & Pick<OpenModelOptions, "ops"> & { readonly spill?: Spill } = {},
): OpenModel {
  const { config, directory } = checkpoint;
  const description = describeModel(config, (name) => checkpoint.tensors.get(name)?.shape);
  return assemble({
    config,
    directory,
    description,
    source: checkpoint,
    quantized: new Map(),
    rotation: (linear) => checkpoint.rotations?.get(linear) ?? null,
    activation: (linear) => checkpoint.stored.get(linear.tensor)?.activation ?? { scheme: "float" },
    packed: null,
    ops: ops ? staying(ops) : openOps({ threads: kernels.threads }),
    kernels,
    observe,
    observeAttention,
    spill,
  });
}

/** Whether a folder holds a run rather than a checkpoint. */
export async function isRun(folder: string): Promise<boolean> {
  return stat(path.join(folder, "run.json")).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function openRun({
  path: run,
  engine,
  target,
  kernels,
  ops: shared,
  observe,
  observeAttention,
}: OpenModelOptions): Promise<OpenModel> {
  const directory = quantizedFolder(run);
  const { linears } = await readQuantizedIndex(run);
  const quantized = new Map(linears.map((entry) => [entry.name, entry]));
  const { config, description, kept: source } = await describeRun(run, linears);
  const ops = shared ? staying(shared) : openOps({ threads: kernels.threads });
  const packed =
    engine === "lut" ? await openUnits(run, target, source, description, quantized, ops, kernels) : null;
  const activation = ({ name }: LinearInfo): ActivationScheme =>
    quantized.get(name)?.activation ?? { scheme: "float" };
  return assemble({
    config,
    directory,
    description,
    source,
    quantized,
    rotation: (linear) => quantized.get(linear)?.rotation ?? null,
    activation,
    packed,
    ops,
    kernels,
    observe,
    observeAttention,
    run,
  });
}

/** The same operations for one of those that share them: it does not close them. */
function staying(ops: Ops): Ops {
  return { ...ops, close: async () => {} };
}

interface Parts {
  readonly config: Readonly<Record<string, unknown>>;
  readonly directory: string;
  readonly description: ModelDescription;
  readonly source: TensorSource;
  readonly quantized: ReadonlyMap<string, QuantizedEntry>;
  /** Of a linear's input, by the linear's name. */
  readonly rotation: (linear: string) => Rotation | null;
  readonly activation: (linear: LinearInfo) => ActivationScheme;
  readonly packed: PackedUnits | null;
  readonly ops: Ops;
  readonly kernels: Kernels;
  readonly observe: Observer["observe"];
  readonly observeAttention: Observer["observeAttention"];
  readonly run?: string;
  readonly spill?: Spill;
}

function assemble({
  config,
  directory,
  description,
  source,
  quantized,
  rotation,
  activation,
  packed,
  ops,
  kernels,
  observe,
  observeAttention,
  run,
  spill,
}: Parts): OpenModel {
  const float = openFloatExecutor(
    linearsOf(description),
    {
      async weight(linear) {
        const entry = quantized.get(linear.name);
        if (entry === undefined || run === undefined)
          return { weight: await readMatrix(source, linear.tensor, kernels), keptOfInput: null };
        const scheme = await readScheme(path.join(quantizedFolder(run), entry.file), entry.weight);
        return { weight: dequantize(scheme), keptOfInput: keptOfInput(scheme) };
      },
      bias: (linear) => biasOf(linear, source, kernels, run, quantized),
      activation,
    },
    ops,
    kernels,
  );
  const computing = packed ? openPackedExecutor(packed.unit, float) : float;
  const observed = observe ? openObservingExecutor(computing, observe) : computing;
  const executor = openRotatingExecutor(observed, rotation, kernels);
  const headInExecutor = description.head !== null && quantized.has(description.head.name);
  const glued = { ...ops, ...packed?.glue };
  const attention: Ops["attention"] = (input) => {
    observeAttention?.(input);
    return glued.attention(input);
  };
  const model = openModel({
    config,
    description,
    source,
    executor,
    headInExecutor,
    ops: { ...glued, attention },
    kernels,
    ...(spill && { spill }),
  });
  return {
    model,
    directory,
    target: packed?.target ?? null,
    async close() {
      await packed?.close();
      await ops.close();
      await source.close();
    },
  };
}
