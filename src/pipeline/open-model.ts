import { stat } from "node:fs/promises";
import path from "node:path";
import type { TensorSource } from "../checkpoint/tensor-source.js";
import { readMatrix, readVector } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { type LinearInfo, linearsOf, type ModelDescription } from "../model/architecture.js";
import type { AttentionInput } from "../model/block-ops.js";
import { openFloatExecutor } from "../model/executors/float.js";
import { openObservingExecutor } from "../model/executors/observing.js";
import { openPackedExecutor, type PackedLinearUnit } from "../model/executors/packed.js";
import { openRotatingExecutor } from "../model/executors/rotating.js";
import { describeModel, type Model, openModel } from "../model/model.js";
import { openModelCheckpoint } from "../model/open-checkpoint.js";
import { type Ops, openOps } from "../model/ops.js";
import type { Spill } from "../model/spill.js";
import { keptOfInput, represent } from "../schemes/represent.js";
import type { Rotation } from "../schemes/rotation.js";
import type { ActivationScheme } from "../schemes/scheme.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { dequantize } from "../schemes/weights.js";
import { findTarget } from "../targets/registry.js";
import { damagedPack, type Target } from "../targets/target.js";
import type { Matrix } from "../tensor/matrix.js";
import { describeRun } from "./describe-run.js";
import { openPack, packedTargets, packFolder, readManifest } from "./pack-files.js";
import {
  type QuantizedEntry,
  quantizedFolder,
  readBias,
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

interface PackedUnits {
  readonly target: string;
  unit(linear: string): Promise<PackedLinearUnit | null>;
  /** What the target computes between the linears in its own way. */
  readonly glue: ReturnType<NonNullable<Target["glue"]>>;
  close(): Promise<void>;
}

async function openUnits(
  run: string,
  wanted: string | undefined,
  source: TensorSource,
  description: ModelDescription,
  quantized: ReadonlyMap<string, QuantizedEntry>,
  ops: Ops,
  kernels: Kernels,
): Promise<PackedUnits> {
  const name = wanted ?? (await onlyTarget(run));
  const target = findTarget(name);
  const folder = packFolder(run, name);
  const manifest = await readManifest(folder);
  const parameters = target.parameters.safeParse(manifest.parameters);
  if (!parameters.success) throw damagedPack(`its parameters are none of ${name}'s`);
  const entries = new Map(manifest.linears.map((entry) => [entry.name, entry]));
  const linears = new Map(linearsOf(description).map((linear) => [linear.name, linear]));
  const pack = await openPack(folder, target);
  return {
    target: name,
    glue: target.glue?.(parameters.data) ?? null,
    async unit(linearName) {
      const [entry, linear] = [entries.get(linearName), linears.get(linearName)];
      if (entry === undefined || linear === undefined) return null;
      const arithmetic = target.open(await pack.read(entry), kernels);
      const bias = await biasOf(linear, source, kernels, run, quantized);
      if ("multiply" in arithmetic) return { rows: linear.rows, multiply: arithmetic.multiply, bias };
      const multiply = async (input: Matrix) =>
        ops.linear(await represent(input, entry.activation, null, kernels), arithmetic.weight, null);
      return { rows: linear.rows, multiply, bias };
    },
    close: pack.close,
  };
}

async function onlyTarget(run: string): Promise<string> {
  const targets = await packedTargets(run);
  if (targets.length === 1) return targets[0];
  if (targets.length === 0) {
    throw new LuthierError(`${run} has no pack`, "make one with `luthier pack <run> --target <name>`", {
      usage: true,
    });
  }
  throw new LuthierError(`${run} has packs for ${targets.join(", ")}`, "say which with --target", {
    usage: true,
  });
}

/** A linear's own bias in a run, or the checkpoint's. */
async function biasOf(
  linear: LinearInfo,
  source: TensorSource,
  kernels: Kernels,
  run: string | undefined,
  quantized: ReadonlyMap<string, QuantizedEntry>,
): Promise<Float32Array | null> {
  const entry = quantized.get(linear.name);
  if (run !== undefined && entry?.bias)
    return readBias(path.join(quantizedFolder(run), entry.file), entry.weight.rows);
  return linear.bias === null ? null : readVector(source, linear.bias, kernels);
}
