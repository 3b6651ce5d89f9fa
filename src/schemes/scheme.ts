import type { IntOutline, IntScheme } from "./int.js";
import type { PartsOutline, PartsScheme } from "./parts.js";
import type { PlanesOutline, PlanesScheme } from "./planes.js";
import type { Rotation } from "./rotation.js";
import type { ValuesOutline, ValuesScheme } from "./values.js";
import type { VectorsOutline, VectorsScheme } from "./vectors.js";

/**
 * What is known of a quantized weight before it is computed: its representation and every parameter that a target's
 * layout depends on. The plan checks outlines; a scheme is an outline with its data.
 */
export type WeightOutline = IntOutline | PlanesOutline | ValuesOutline | VectorsOutline | PartsOutline;

/** A quantized weight `[N, K]`, in one of the representations of docs/formats.md. */
export type WeightScheme = IntScheme | PlanesScheme | ValuesScheme | VectorsScheme | PartsScheme;

/** Those of codes on a grid of scales. */
export type GridOutline = IntOutline | PlanesOutline;

export type GridScheme = IntScheme | PlanesScheme;

/** How a linear's input is represented when the linear is computed. */
export type ActivationScheme =
  /** As the model computes it: float32. */
  | { readonly scheme: "float" }
  | IntActivation
  /** Ids of centroids in the codebooks that the weight keeps: `vector` consecutive inputs at a time. */
  | { readonly scheme: "centroids"; readonly vector: number; readonly centroids: number }
  /** As each part of the weight's columns has it for itself. */
  | { readonly scheme: "parts" };

/** Those that need nothing beside the token that they represent. */
export type DynamicActivation =
  | { readonly scheme: "float" }
  | { readonly scheme: IntWidth; readonly per: "token" | number };

/** Integer codes `−L … L` by absmax, `L = 2^(bits−1) − 1`. */
export type IntActivation =
  /** A scale a token (BitNet b1.58, arXiv 2402.17764 §2), or one for that many consecutive inputs of it (FlexQ, arXiv 2508.04405). */
  | { readonly scheme: IntWidth; readonly per: "token" | number }
  /** One scale for everything: `largest` gets the largest code. It is measured on calibration text: absent in a plan. */
  | { readonly scheme: IntWidth; readonly per: "tensor"; readonly largest?: number };

export type IntWidth = "int4" | "int6" | "int8" | "int16";

/** What a linear is turned into: its weight and the way its input is given to it. */
export interface LinearOutline {
  readonly weight: WeightOutline;
  readonly activation: ActivationScheme;
  /** Of the input, before it is represented; absent where it is taken as it comes. */
  readonly rotation?: Rotation;
  /** Present where it has a bias of its own, in place of the checkpoint's. */
  readonly bias?: true;
}
