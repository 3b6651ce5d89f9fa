/*
 * What llama.cpp calls the tensors of the Llama family, and the order of rows that its `llama` has for queries and keys.
 */

const blockNames: Readonly<Record<string, string>> = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  input_layernorm: "attn_norm",
  post_attention_layernorm: "ffn_norm",
};

const outerNames: Readonly<Record<string, string>> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
};

/** `model.layers.0.self_attn.q_proj.weight` → `blk.0.attn_q.weight`. @throws RangeError when there is none. */
export function ggufNameOf(tensor: string): string {
  const [, stem, kind] = /^(.*)\.(weight|bias)$/.exec(tensor) ?? [];
  const [, layer, part] = /^model\.layers\.(\d+)\.(.*)$/.exec(stem ?? "") ?? [];
  const names = layer === undefined ? outerNames : blockNames;
  const name = part ?? stem ?? "";
  if (!Object.hasOwn(names, name)) throw new RangeError(`GGUF has no name for ${tensor}`);
  return `${layer === undefined ? "" : `blk.${layer}.`}${names[name]}.${kind}`;
}

/** Heads of queries and of keys whose rows are stored in pairs. */
export interface PairedHeads {
  readonly queries: number;
  readonly keys: number;
}

/** Heads in the tensor or linear of that name whose rows are stored in pairs; 0 where none are. */
export function pairedHeadsOf(name: string, heads: PairedHeads | null): number {
  if (heads === null) return 0;
  if (/\.q_proj(\.\w+)?$/.test(name)) return heads.queries;
  return /\.k_proj(\.\w+)?$/.test(name) ? heads.keys : 0;
}

/**
 * transformers rotates row i of a head together with row `half + i`; llama.cpp's `llama` rotates neighbours, so these
 * two rows are stored side by side. Nothing moves when there are no such heads.
 */
export function pairRows(bytes: Uint8Array, rows: number, heads: number): Uint8Array {
  return moveRows(bytes, rows, heads, (apart, paired) => [apart, paired]);
}

/** The inverse of `pairRows`. */
export function partRows(bytes: Uint8Array, rows: number, heads: number): Uint8Array {
  return moveRows(bytes, rows, heads, (apart, paired) => [paired, apart]);
}

function moveRows(
  bytes: Uint8Array,
  rows: number,
  heads: number,
  direction: (apart: number, paired: number) => readonly [from: number, to: number],
): Uint8Array {
  if (heads === 0) return bytes;
  const half = rows / heads / 2;
  const rowBytes = bytes.length / rows;
  const out = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * half));
    const inHead = row % (2 * half);
    const paired = 2 * half * head + 2 * (inHead % half) + Math.floor(inHead / half);
    const [from, to] = direction(row, paired);
    out.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), to * rowBytes);
  }
  return out;
}
