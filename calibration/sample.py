"""Writes sampled-from-tiny.txt: what the bundled model says when it is asked for nothing (numpy, tokenizers; run once).

Windows of 256 tokens, each begun with the end-of-text token and drawn at temperature 1, so that the text is spread as the model
believes text to be. Calibration on it knows nothing of any text that is scored.
"""

import json
import struct
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

MODEL = Path(__file__).parent / "../models/tiny"
WINDOWS, LENGTH = 520, 256


def read_tensors(file):
    data = file.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        bits = np.frombuffer(data[8 + size + first : 8 + size + last], dtype=np.uint16).astype(np.uint32) << 16
        yield name, bits.view(np.float32).reshape(entry["shape"])


config = json.loads((MODEL / "config.json").read_text())
tensors = dict(read_tensors(MODEL / "model.safetensors"))
layers, head_size = config["num_hidden_layers"], config["head_dim"]
heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
embedding = tensors["model.embed_tokens.weight"]


def norm(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + config["rms_norm_eps"]) * weight


def rotate(x, position):
    angles = position / theta ** (np.arange(0, head_size, 2) / head_size)
    cosine, sine = np.cos(np.tile(angles, 2)).astype(np.float32), np.sin(np.tile(angles, 2)).astype(np.float32)
    half = head_size // 2
    return x * cosine + np.concatenate([-x[..., half:], x[..., :half]], -1) * sine


def sample():
    draw = np.random.default_rng(0)
    tokens = np.zeros((WINDOWS, LENGTH), np.int32)
    keys = np.zeros((layers, WINDOWS, kv_heads, LENGTH, head_size), np.float32)
    values = np.zeros_like(keys)
    for at in range(LENGTH - 1):
        hidden = embedding[tokens[:, at]]
        for layer in range(layers):
            weight = lambda name: tensors[f"model.layers.{layer}.{name}.weight"]
            x = norm(hidden, weight("input_layernorm"))
            split = lambda name, count: (x @ weight(f"self_attn.{name}_proj").T).reshape(WINDOWS, count, head_size)
            query = rotate(norm(split("q", heads), weight("self_attn.q_norm")), at)
            keys[layer, :, :, at] = rotate(norm(split("k", kv_heads), weight("self_attn.k_norm")), at)
            values[layer, :, :, at] = split("v", kv_heads)
            query = query.reshape(WINDOWS, kv_heads, heads // kv_heads, head_size)
            scores = np.einsum("bgqd,bgtd->bgqt", query, keys[layer, :, :, : at + 1]) / np.sqrt(head_size)
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            shares /= shares.sum(-1, keepdims=True)
            mixed = np.einsum("bgqt,bgtd->bgqd", shares, values[layer, :, :, : at + 1]).reshape(WINDOWS, -1)
            hidden = hidden + mixed @ weight("self_attn.o_proj").T
            x = norm(hidden, weight("post_attention_layernorm"))
            gate = x @ weight("mlp.gate_proj").T
            hidden = hidden + (gate / (1 + np.exp(-gate)) * (x @ weight("mlp.up_proj").T)) @ weight("mlp.down_proj").T
        logits = norm(hidden, tensors["model.norm.weight"]) @ embedding.T
        tokens[:, at + 1] = (logits + draw.gumbel(size=logits.shape)).argmax(-1)
    return tokens


tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
text = "\n".join(tokenizer.decode(window[1:].tolist()).strip() for window in sample())
(Path(__file__).parent / "sampled-from-tiny.txt").write_text(text + "\n")
