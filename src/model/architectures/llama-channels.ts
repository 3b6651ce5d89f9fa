import type { ChannelGroup, ChannelPlace, LinearInfo } from "../architecture.js";
import { type Config, hasSubNorms, headsOf } from "./llama-config.js";

/**
 * The channels of a Llama that may be put in another order: those of the residual stream, of each feed-forward layer, and
 * of the values of each key-value head. Queries and keys are not among them: they are rotated in pairs of their own.
 *
 * @param blocks q, k, v, o, gate, up and down of each.
 */
export function channelGroups(
  blocks: readonly (readonly LinearInfo[])[],
  head: LinearInfo,
  embedding: string,
  config: Config,
): readonly ChannelGroup[] {
  return [
    residual(blocks, head, embedding, config),
    ...blocks.flatMap((linears, index) => [
      ...valuesOfHeads(index, linears, config),
      feedForward(index, linears, config),
    ]),
  ];
}

function residual(
  blocks: readonly (readonly LinearInfo[])[],
  head: LinearInfo,
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
  const untied = head.tensor === embedding ? [] : columns(head);
  return { name: "residual", size, places: [table, ...ofBlocks, ...normOf(head), ...untied] };
}

function feedForward(index: number, linears: readonly LinearInfo[], config: Config): ChannelGroup {
  const [, , , , gate, up, down] = linears;
  return {
    name: `model.layers.${index}.mlp`,
    size: config.intermediate_size,
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
  const { heads, keyValueHeads, headSize } = headsOf(config);
  const together = heads / keyValueHeads;
  return Array.from({ length: keyValueHeads }, (_, head) => {
    const mixed = Array.from({ length: together }, (_, query) => (head * together + query) * headSize);
    return {
      name: `model.layers.${index}.self_attn.values.${head}`,
      size: headSize,
      places: [
        ...rows(v, [head * headSize]),
        ...(hasSubNorms(config) ? normOf(o, mixed) : []),
        ...columns(o, mixed),
      ],
    };
  });
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
