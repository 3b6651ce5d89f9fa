import type {
  ChannelGroup,
  ChannelPlace,
  LinearInfo,
  ModelDescription,
  Readout,
  ScalableInput,
  ScalableRun,
} from "../architecture.js";
import { type Config, hasSubNorms, headsOf } from "./llama-config.js";

/**
 * The channels of a Llama that may be put in another order: those of the residual stream, of each feed-forward layer, and
 * of the values of each key-value head. Queries and keys are not among them: they are rotated in pairs of their own.
 *
 * @param blocks q, k, v, o, gate, up and down of each.
 * @param last what reads the last hidden states.
 */
export function channelGroups(
  blocks: readonly (readonly LinearInfo[])[],
  last: Pick<ModelDescription, "head" | "readout">,
  embedding: string,
  config: Config,
): readonly ChannelGroup[] {
  return [
    residual(blocks, last, embedding, config),
    ...blocks.flatMap((linears, index) => [
      ...valuesOfHeads(index, linears, config),
      feedForward(index, linears, config),
    ]),
  ];
}

/**
 * The inputs of a Llama's blocks, and where their channels can be scaled: by the norm before, where there is one; else what
 * attention mixes by the values, and what a feed-forward layer opens by the up projection, which its gate multiplies.
 *
 * @param blocks q, k, v, o, gate, up and down of each.
 */
export function scalableInputs(
  blocks: readonly (readonly LinearInfo[])[],
  config: Config,
): readonly ScalableInput[] {
  return blocks.flatMap(([q, k, v, o, gate, up, down]) => [
    scalable([q, k, v], []),
    scalable([o], runsOfValues(v, config)),
    scalable([gate, up], []),
    scalable([down], [{ size: config.intermediate_size, makers: makersOf(up, 0), firsts: [0] }]),
  ]);
}

/** @param runs where no norm makes the input. */
function scalable(linears: readonly LinearInfo[], runs: readonly ScalableRun[]): ScalableInput {
  const [{ norm, columns: size }] = linears;
  if (norm === null) return { linears, madeBy: "linear", runs };
  return { linears, madeBy: "norm", runs: [{ size, makers: [{ tensor: norm, first: 0 }], firsts: [0] }] };
}

/** The values of a key-value head are read by all query heads of its group: one scale for all of them. */
function runsOfValues(v: LinearInfo, config: Config): readonly ScalableRun[] {
  const { keyValueHeads, headSize } = headsOf(config);
  return Array.from({ length: keyValueHeads }, (_, head) => ({
    size: headSize,
    makers: makersOf(v, head * headSize),
    firsts: firstsOfQueries(head, config),
  }));
}

/** A linear, and its bias with it. */
function makersOf({ tensor, bias }: LinearInfo, first: number): ScalableRun["makers"] {
  return [tensor, ...(bias === null ? [] : [bias])].map((name) => ({ tensor: name, first }));
}

function residual(
  blocks: readonly (readonly LinearInfo[])[],
  { head, readout }: Pick<ModelDescription, "head" | "readout">,
  embedding: string,
  { hidden_size: size }: Config,
): ChannelGroup {
  const ofBlocks = blocks.flatMap(([q, k, v, o, gate, up, down]) => [
    ...normOf(q),
    ...[q, k, v].flatMap((linear) => columns(linear)),
    ...rows(o),
    ...normOf(gate),
    ...[gate, up].flatMap((linear) => columns(linear)),
    ...rows(down),
  ]);
  const table: ChannelPlace = { tensor: embedding, along: "columns", firsts: [0] };
  return {
    name: "residual",
    size,
    rotatable: head !== null, // a readout's layers are no linears that the last norm could be folded into
    places: [
      table,
      ...ofBlocks,
      ...(head ? ofHead(head, embedding) : []),
      ...(readout ? ofReadout(readout) : []),
    ],
  };
}

function ofHead(head: LinearInfo, embedding: string): readonly ChannelPlace[] {
  return [...normOf(head), ...(head.tensor === embedding ? [] : columns(head))];
}

function ofReadout({ layers: [first] }: Readout): readonly ChannelPlace[] {
  return [
    { tensor: "model.norm.weight", along: "rows", firsts: [0] },
    { tensor: first.weight, along: "columns", firsts: [0] },
  ];
}

function feedForward(index: number, linears: readonly LinearInfo[], config: Config): ChannelGroup {
  const [, , , , gate, up, down] = linears;
  return {
    name: `model.layers.${index}.mlp`,
    size: config.intermediate_size,
    rotatable: false, // the activation is computed on each by itself
    places: [
      ...rows(gate),
      ...rows(up),
      ...(hasSubNorms(config) ? normOf(down) : []), // over all channels: their order does not matter to it
      ...columns(down),
    ],
  };
}

/** The values of a key-value head are what all query heads of its group mix: one order for all of them. */
function valuesOfHeads(
  index: number,
  linears: readonly LinearInfo[],
  config: Config,
): readonly ChannelGroup[] {
  const [, , v, o] = linears;
  const { keyValueHeads, headSize } = headsOf(config);
  return Array.from({ length: keyValueHeads }, (_, head) => {
    const mixed = firstsOfQueries(head, config);
    return {
      name: `model.layers.${index}.self_attn.values.${head}`,
      size: headSize,
      rotatable: true,
      places: [
        ...rows(v, [head * headSize]),
        ...(hasSubNorms(config) ? normOf(o, mixed) : []),
        ...columns(o, mixed),
      ],
    };
  });
}

/** Where what each query head of a key-value head has mixed begins in the input of o. */
function firstsOfQueries(head: number, config: Config): readonly number[] {
  const { heads, keyValueHeads, headSize } = headsOf(config);
  const together = heads / keyValueHeads;
  return Array.from({ length: together }, (_, query) => (head * together + query) * headSize);
}

/** A linear's outputs, and its bias with them. */
function rows({ tensor, bias }: LinearInfo, firsts: readonly number[] = [0]): readonly ChannelPlace[] {
  return [tensor, ...(bias === null ? [] : [bias])].map((name) => ({ tensor: name, along: "rows", firsts }));
}

function columns({ tensor }: LinearInfo, firsts: readonly number[] = [0]): readonly ChannelPlace[] {
  return [{ tensor, along: "columns", firsts }];
}

function normOf({ norm }: LinearInfo, firsts: readonly number[] = [0]): readonly ChannelPlace[] {
  return norm === null ? [] : [{ tensor: norm, along: "rows", firsts }];
}
