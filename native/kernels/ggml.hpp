// Products of ggml's blocks on one thread, as its generic CPU code computes them. The reference is
// src/targets/gguf/arithmetic.ts. A lane is an output row; inside a lane the float steps go in the reference's order, and
// the INT32 sums of a run are exact in any order.

constexpr std::size_t ggml_tokens_at_once = 4;

/// What the dot products below add to every level: the unsigned operand of VNNI.
#if defined(__AVX512VNNI__)
constexpr int ggml_shift = 128;
#else
constexpr int ggml_shift = 0;
#endif

/// Levels and scales of `lanes` rows side by side.
struct GgmlRows {
  std::int8_t* levels;  // [K / 4][lanes][4], each shifted up
  float* scales;        // [K / size][lanes]
};

static inline float ggml_from_float16(const std::uint8_t* at) {
  const std::uint32_t bits = at[0] | (std::uint32_t)at[1] << 8;
  const std::uint32_t exponent = bits >> 10 & 31, mantissa = bits & 1023;
  float value;
  if (exponent == 0) {
    value = (float)mantissa * 0x1p-24f;
  } else {
    const std::uint32_t word = exponent == 31 ? 0x7f800000u | mantissa << 13 : (exponent + 112) << 23 | mantissa << 13;
    __builtin_memcpy(&value, &word, 4);
  }
  return bits >> 15 ? -value : value;
}

static inline std::int8_t ggml_half_away(float x) {
  const int whole = (int)x;
  const float rest = x - (float)whole;
  return (std::int8_t)(rest >= 0.5f ? whole + 1 : rest <= -0.5f ? whole - 1 : whole);
}

/// NaN becomes 0: the scale tells of it.
static inline float ggml_clamped(float x) { return x != x ? 0.0f : x > 127.0f ? 127.0f : x < -127.0f ? -127.0f : x; }

/// 32 inputs by the rule of Q8_0. Returns the scale.
static float ggml_round_q8_0(const float* x, std::int8_t* codes) {
  float most = 0;
  for (int i = 0; i < 32; ++i) {
    const float magnitude = __builtin_fabsf(x[i]);
    most = magnitude > most || magnitude != magnitude ? magnitude : most;  // NaN is never given up again
  }
  const float d = most / 127.0f;
  const float inverse = d == 0 ? 0 : 1.0f / d;
  for (int i = 0; i < 32; ++i) codes[i] = ggml_half_away(ggml_clamped(x[i] * inverse));
  return to_float16_value(d);
}

/// 256 inputs by the rule of Q8_K. Returns the scale.
static float ggml_round_q8_k(const float* x, std::int8_t* codes) {
  float most = 0, with_sign = 0;
  for (int i = 0; i < 256; ++i) {
    const float magnitude = __builtin_fabsf(x[i]);
    if (!(magnitude <= most) && with_sign == with_sign) {
      most = magnitude;
      with_sign = x[i];
    }
  }
  if (with_sign == 0) {
    for (int i = 0; i < 256; ++i) codes[i] = 0;
    return 0;
  }
  const float inverse = -127.0f / with_sign;
  for (int i = 0; i < 256; ++i) {
    const float magic = 12582912.0f;  // 1.5 · 2^23: the addition rounds half to even
    codes[i] = (std::int8_t)((ggml_clamped(x[i] * inverse) + magic) - magic);
  }
  return 1.0f / inverse;
}

/// One token: codes [K], scales and Σ codes [K / run].
static void ggml_round(std::size_t run, const float* x, std::size_t columns, std::int8_t* codes, float* scales,
                       std::int32_t* sums) {
  for (std::size_t i = 0; i * run < columns; ++i) {
    scales[i] = run == 256 ? ggml_round_q8_k(x + i * run, codes + i * run) : ggml_round_q8_0(x + i * run, codes + i * run);
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < run; ++k) sum += codes[i * run + k];
    sums[i] = sum;
  }
}

/// The levels of one block in the order of their weights; src/targets/gguf/blocks.ts has the places.
static inline void ggml_levels(GgmlType type, const std::uint8_t* block, std::int8_t* levels) {
  switch (type) {
    case GgmlType::tq1_0: {
      const auto digits = [&](int byte, int count, std::int8_t* out, int step) {
        unsigned rest = block[byte];
        for (int n = 0; n < count; ++n) {
          out[n * step] = (std::int8_t)((int)(rest * 3 >> 8) - 1);
          rest = rest * 3 & 255;
        }
      };
      for (int m = 0; m < 32; ++m) digits(m, 5, levels + m, 32);
      for (int m = 0; m < 16; ++m) digits(32 + m, 5, levels + 160 + m, 16);
      for (int m = 0; m < 4; ++m) digits(48 + m, 4, levels + 240 + m, 4);
      return;
    }
    case GgmlType::tq2_0:
      for (int half = 0; half < 2; ++half) {
        for (int n = 0; n < 4; ++n) {
          for (int m = 0; m < 32; ++m)
            levels[128 * half + 32 * n + m] = (std::int8_t)((block[32 * half + m] >> (2 * n) & 3) - 1);
        }
      }
      return;
    case GgmlType::q2_0:
      for (int i = 0; i < 16; ++i) {
        const std::uint32_t byte = block[2 + i];
        const std::uint32_t digits = (byte | byte << 6 | byte << 12 | byte << 18) & 0x03030303u;
        const std::uint32_t four = ((digits | 0x80808080u) - 0x01010101u) ^ 0x80808080u;  // each byte less 1
        __builtin_memcpy(levels + 4 * i, &four, 4);
      }
      return;
    case GgmlType::q4_0:
      for (int half = 0; half < 2; ++half) {
        std::uint64_t eight;
        __builtin_memcpy(&eight, block + 2 + 8 * half, 8);
        const std::uint64_t nibbles = 0x0f0f0f0f0f0f0f0fu, top = 0x8080808080808080u, zero = 0x0808080808080808u;
        const std::uint64_t low = ((eight & nibbles) | top) - zero, high = ((eight >> 4 & nibbles) | top) - zero;
        const std::uint64_t out[2] = {low ^ top, high ^ top};  // each byte less 8
        __builtin_memcpy(levels + 8 * half, &out[0], 8);
        __builtin_memcpy(levels + 16 + 8 * half, &out[1], 8);
      }
      return;
    case GgmlType::q8_0:
      for (int i = 0; i < 32; ++i) levels[i] = (std::int8_t)block[2 + i];
      return;
  }
}

/// Rows [row, row + count) into lanes; lanes beyond them stay as they are and are not used.
static void ggml_decode(const GgmlBlocks& blocks, std::size_t row, std::size_t count, const GgmlRows& out) {
  const std::size_t a_row = blocks.columns / blocks.size;
  std::int8_t levels[256];
  for (std::size_t lane = 0; lane < count; ++lane) {
    for (std::size_t i = 0; i < a_row; ++i) {
      const std::uint8_t* block = blocks.data + ((row + lane) * a_row + i) * blocks.bytes;
      ggml_levels(blocks.type, block, levels);
      out.scales[i * lanes + lane] = ggml_from_float16(block + blocks.scale_at);
      std::int8_t* to = out.levels + (i * blocks.size / 4 * lanes + lane) * 4;
      for (std::size_t k = 0; k < blocks.size; k += 4, to += 4 * lanes) {
        std::uint32_t four;
        __builtin_memcpy(&four, levels + k, 4);
        four ^= ggml_shift * 0x01010101u;  // adding 128 to a byte turns its top bit over
        __builtin_memcpy(to, &four, 4);
      }
    }
  }
}

/// acc + Σ level · code over four inputs of every lane; `code` holds the token's four codes in every lane.
static inline I32 ggml_dot(I32 acc, I32 level, I32 code) {
#if defined(__AVX512VNNI__)
  return (I32)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)level, (__m512i)code);
#elif defined(__AVX2__)
  // |level| ≤ 128 and |code| ≤ 127: a pair's sum fits 16 bits.
  const __m256i signed_code = _mm256_sign_epi8((__m256i)code, (__m256i)level);
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8((__m256i)level), signed_code);
  return acc + (I32)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#else
  std::int8_t a[4 * lanes], b[4 * lanes];
  __builtin_memcpy(a, &level, sizeof a);
  __builtin_memcpy(b, &code, sizeof b);
  for (int lane = 0; lane < lanes; ++lane) {
    for (int j = 0; j < 4; ++j) acc[lane] += a[4 * lane + j] * b[4 * lane + j];
  }
  return acc;
#endif
}

/// The sums over inputs [first, first + run) of `tokens` tokens, as floats.
template <int tokens>
static inline void ggml_sums(const std::int8_t* levels, const GgmlTokens& x, std::size_t token, std::size_t first,
                             std::size_t run, F32 (&out)[tokens]) {
  I32 acc[tokens];
  for (int t = 0; t < tokens; ++t) {
    acc[t] = splat_int(-ggml_shift * x.sums[(token + t) * (x.columns / run) + first / run]);
  }
  const std::int8_t* codes = x.codes + token * x.columns;
  for (std::size_t k = first; k < first + run; k += 4) {
    I32 level;
    __builtin_memcpy(&level, levels + k * lanes, sizeof level);
    for (int t = 0; t < tokens; ++t) {
      std::int32_t four;
      __builtin_memcpy(&four, codes + t * x.columns + k, 4);
      acc[t] = ggml_dot(acc[t], level, splat_int(four));
    }
  }
  for (int t = 0; t < tokens; ++t) out[t] = __builtin_convertvector(acc[t], F32);
}

/// Outputs of `lanes` rows for `tokens` tokens.
template <int tokens>
static void ggml_outputs(const GgmlBlocks& blocks, const GgmlRows& rows, const GgmlTokens& x, std::size_t token,
                         F32 (&y)[tokens]) {
  const std::size_t run = x.run, runs = x.columns / run;
  const auto input_scale = [&](int t, std::size_t i) { return splat(x.scales[(token + t) * runs + i]); };
  for (F32& sum : y) sum = splat(0);
  for (std::size_t i = 0; i * blocks.size < x.columns; ++i) {
    F32 scale, sums[tokens];
    __builtin_memcpy(&scale, rows.scales + i * lanes, sizeof scale);
    ggml_sums<tokens>(rows.levels, x, token, i * blocks.size, run, sums);
    if (blocks.type == GgmlType::q2_0) {
      F32 second[tokens];  // 64 weights meet two runs of 32 inputs
      ggml_sums<tokens>(rows.levels, x, token, i * 64 + 32, run, second);
      for (int t = 0; t < tokens; ++t)
        y[t] += scale * (input_scale(t, 2 * i) * sums[t] + input_scale(t, 2 * i + 1) * second[t]);
    } else if (blocks.type == GgmlType::q4_0) {
      for (int t = 0; t < tokens; ++t) y[t] += (sums[t] * scale) * input_scale(t, i);
    } else {
      for (int t = 0; t < tokens; ++t) y[t] += sums[t] * (scale * input_scale(t, i));
    }
  }
}

/// Outputs [tokens][N] of the rows [first, last).
static void ggml_multiply(const GgmlBlocks& blocks, const GgmlTokens& inputs, std::size_t tokens, std::size_t first,
                          std::size_t last, float* out) {
  const GgmlRows rows{(std::int8_t*)allocate(blocks.columns * lanes),
                      (float*)allocate(blocks.columns / blocks.size * lanes * sizeof(float))};
  for (std::size_t row = first; row < last; row += lanes) {
    const std::size_t count = last - row < (std::size_t)lanes ? last - row : lanes;
    ggml_decode(blocks, row, count, rows);
    const auto store = [&](std::size_t token, F32 y) {
      for (std::size_t lane = 0; lane < count; ++lane) out[token * blocks.rows + row + lane] = y[lane];
    };
    std::size_t token = 0;
    for (; token + ggml_tokens_at_once <= tokens; token += ggml_tokens_at_once) {
      F32 y[ggml_tokens_at_once];
      ggml_outputs(blocks, rows, inputs, token, y);
      for (std::size_t t = 0; t < ggml_tokens_at_once; ++t) store(token + t, y[t]);
    }
    for (; token < tokens; ++token) {
      F32 y[1];
      ggml_outputs(blocks, rows, inputs, token, y);
      store(token, y[0]);
    }
  }
  release(rows.levels);
  release(rows.scales);
}
