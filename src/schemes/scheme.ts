import type { IntOutline, IntScheme } from "./int.js";
import type { PlanesOutline, PlanesScheme } from "./planes.js";
import type { Rotation } from "./rotation.js";
import type { ValuesOutline, ValuesScheme } from "./values.js";
import type { VectorsOutline, VectorsScheme } from "./vectors.js";

/**
 * What is known of a quantized weight before it is computed: its representation and every parameter that a target's
 * layout depends on. The plan checks outlines; a scheme is an outline with its data.
 */
export type WeightOutline = IntOutline | PlanesOutline | ValuesOutline | VectorsOutline;

/** A quantized weight `[N, K]`, in one of the representations of docs/formats.md. */
export type WeightScheme = IntScheme | PlanesScheme | ValuesScheme | VectorsScheme;

/** Those of codes on a grid of scales. */
export type GridOutline = IntOutline | PlanesOutline;

export type GridScheme = IntScheme | PlanesScheme;

/** How a linear's input is represented when the linear is computed. */
export type ActivationScheme =
  /** As the model computes it: float32. */
  | { readonly scheme: "float" }
  /** One INT8 absmax scale a token (BitNet b1.58, arXiv 2402.17764 §2). */
  | { readonly scheme: "int8"; readonly per: "token" }
  /** One INT16 absmax scale a token. */
  | { readonly scheme: "int16"; readonly per: "token" }
  /** Ids of centroids in the codebooks that the weight keeps: `vector` consecutive inputs at a time. */
  | { readonly scheme: "centroids"; readonly vector: number; readonly centroids: number };

/** What a linear is turned into: its weight and the way its input is given to it. */
export interface LinearOutline {
  readonly weight: WeightOutline;
  readonly activation: ActivationScheme;
  /** Of the input, before it is represented; absent where it is taken as it comes. */
  readonly rotation?: Rotation;
  /** Present where it has a bias of its own, in place of the checkpoint's. */
  readonly bias?: true;
}
