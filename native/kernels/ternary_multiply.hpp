// Products of ternary weights and INT8 tokens on one thread. The references, with the source of each step, are
// src/targets/bitnet-cpp and src/targets/tellme. Their sums are exact integers, so all formats are computed alike here:
// 2-bit codes trit + 1, four a byte as I2_S lays them, times INT8 inputs that lie in the order in which a register of
// codes holds them. Σ trit · x = Σ code · x − Σ x.

typedef float TernaryOutputs __attribute__((vector_size(16)));

/// The largest magnitude, at least `least`. NaN is larger than anything, so that the factor tells of it.
static inline float ternary_largest(const float* x, std::size_t count, float least) {
  I32 most = (I32)splat(least);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    I32 bits;
    __builtin_memcpy(&bits, x + i, sizeof bits);
    bits &= splat_int(0x7fffffff);  // as integers, magnitudes keep their order and NaN comes last
    most = bits > most ? bits : most;
  }
  std::int32_t largest = 0;
  for (int lane = 0; lane < lanes; ++lane) largest = most[lane] > largest ? most[lane] : largest;
  for (; i < count; ++i) {
    std::int32_t bits;
    __builtin_memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  float value;
  __builtin_memcpy(&value, &largest, sizeof value);
  return value;
}

static inline F32 ternary_rounded(F32 x, F32 factor) {
  const F32 rounded = round_half_to_even(x * factor);
  const F32 high = rounded < 127.0f ? rounded : splat(127.0f);
  return high > -128.0f ? high : splat(-128.0f);
}

/// INT8 codes of one token in the order of its inputs; returns their sum.
static std::int32_t ternary_round(const float* x, std::size_t count, float factor, std::int8_t* codes) {
  typedef std::int8_t I8 __attribute__((vector_size(lanes)));
  I32 sums{};
  for (std::size_t i = 0; i < count; i += lanes) {
    const std::size_t some = count - i < (std::size_t)lanes ? count - i : (std::size_t)lanes;
    F32 values{};
    if (some == (std::size_t)lanes) {
      __builtin_memcpy(&values, x + i, sizeof values);
    } else {
      __builtin_memcpy(&values, x + i, some * sizeof(float));
    }
    const I32 rounded = __builtin_convertvector(ternary_rounded(values, splat(factor)), I32);
    sums += rounded;
    const I8 bytes = __builtin_convertvector(rounded, I8);
    __builtin_memcpy(codes + i, &bytes, sizeof bytes);  // up to `lanes` − 1 zeros beyond the last
  }
  std::int32_t sum = 0;
  for (int lane = 0; lane < lanes; ++lane) sum += sums[lane];
  return sum;
}

/// Puts codes, which go on with zeros, into the order of registers: bits 7:6 of all bytes, then bits 5:4, and so on.
template <std::size_t block>
static void ternary_arrange(const std::int8_t* codes, std::size_t length, std::int8_t* out) {
  constexpr std::size_t run = block < ternary_width ? block : ternary_width;
  for (std::size_t group = 0; group < length; group += 4 * ternary_width) {
    for (std::size_t place = 0; place < 4; ++place) {
      for (std::size_t byte = 0; byte < ternary_width; byte += run, out += run) {
        const std::size_t at = group / 4 + byte;  // the byte of the row that holds these codes in its bits of this place
        __builtin_memcpy(out, codes + at / block * 4 * block + place * block + at % block, run);
      }
    }
  }
}

/// INT8 codes [length] of one token in the order of registers, zero beyond its inputs, and their sum. Returns the factor
/// that made them.
static float ternary_quantize(const float* x, std::size_t columns, std::size_t length, std::size_t block, bool floored,
                             std::int8_t* codes, std::int32_t* sum) {
  const float factor = 127.0f / ternary_largest(x, columns, floored ? 1e-5f : 0.0f);
  auto* natural = (std::int8_t*)allocate(length + lanes);
  for (std::size_t i = 0; i < length + lanes; ++i) natural[i] = 0;
  // The reciprocal of next to nothing is infinite and tells nothing of an input.
  *sum = factor <= 3.4028234663852886e38f ? ternary_round(x, columns, factor, natural) : 0;
  if (block == 32) ternary_arrange<32>(natural, length, codes);
  if (block == 16) ternary_arrange<16>(natural, length, codes);
  release(natural);
  return factor;
}

/// The codes of a row, a byte each, in the order of registers.
static void ternary_decode(const std::uint8_t* row, std::size_t row_bytes, std::uint8_t* out) {
  typedef std::uint8_t Bytes __attribute__((vector_size(ternary_width)));
  ternary_registers(row, row_bytes, [&](std::size_t at, const std::uint8_t* from) {
    __builtin_prefetch(from + ternary_prefetch_bytes);
    Bytes bytes;
    __builtin_memcpy(&bytes, from, sizeof bytes);
    for (int place = 0; place < 4; ++place) {
      const Bytes codes = bytes >> (6 - 2 * place) & 3;
      __builtin_memcpy(out + 4 * at + ternary_width * place, &codes, sizeof codes);
    }
  });
}

static inline TernaryOutputs ternary_float16(TernaryOutputs x) {
#if defined(__F16C__)
  return (TernaryOutputs)_mm_cvtph_ps(_mm_cvtps_ph((__m128)x, _MM_FROUND_TO_NEAREST_INT));
#else
  for (int i = 0; i < 4; ++i) x[i] = __builtin_copysignf(to_float16_value(x[i]), x[i]);
  return x;
#endif
}

/// As the sources divide and multiply; see `output` and `dequantized` of the targets' arithmetic.ts.
static inline TernaryOutputs ternary_outputs(const TernaryWeight& weight, TernaryDots dots, std::int32_t sum, float factor) {
  if (weight.result == TernaryResult::i2_s) {
    return (__builtin_convertvector(dots, TernaryOutputs) - (float)sum) / factor * weight.scale;
  }
  const TernaryOutputs sums = __builtin_convertvector(dots - sum, TernaryOutputs);
  if (weight.result == TernaryResult::tables) return sums / factor * weight.scale;
  return ternary_float16(sums * (weight.scale / factor));
}

static inline void ternary_store(const TernaryWeight& weight, const TernaryTokens& inputs, std::size_t token,
                                std::size_t row, std::size_t rows, TernaryDots dots, float* out) {
  const TernaryOutputs outputs = ternary_outputs(weight, dots, inputs.sums[token], inputs.factors[token]);
  float* y = out + token * weight.rows + row;
  if (rows == 4) {
    __builtin_memcpy(y, &outputs, sizeof outputs);
  } else {
    __builtin_memcpy(y, &outputs, rows * sizeof(float));
  }
}

/// Tokens of `tokens` at a time, then those that are left.
template <int tokens, class Dots>
static inline void ternary_tokens(const TernaryWeight& weight, const TernaryTokens& inputs, std::size_t first,
                                 std::size_t last, std::size_t row, std::size_t rows, const Dots& dots_of, float* out) {
  for (; last - first >= (std::size_t)tokens; first += tokens) {
    TernaryDots dots[tokens];
    dots_of.template of<tokens>(inputs, first, dots);
    for (int t = 0; t < tokens; ++t) ternary_store(weight, inputs, first + t, row, rows, dots[t], out);
  }
  if constexpr (tokens > 1) {
    if (first < last) ternary_tokens<tokens - 1>(weight, inputs, first, last, row, rows, dots_of, out);
  }
}

/// Four rows as they lie in memory.
struct TernaryPacked {
  const std::uint8_t* codes;
  std::size_t row_bytes;

  template <int tokens>
  void of(const TernaryTokens& inputs, std::size_t first, TernaryDots* dots) const {
    ternary_stream<tokens>(codes, row_bytes, inputs.codes + first * inputs.stride, inputs.stride, dots);
  }
};

/// Four rows of a byte a code, as far from each other as tokens are.
struct TernaryDecoded {
  const std::uint8_t* codes;

  template <int tokens>
  void of(const TernaryTokens& inputs, std::size_t first, TernaryDots* dots) const {
    ternary_tile<tokens>(codes, inputs.codes + first * inputs.stride, inputs.length, inputs.stride, dots);
  }
};

/// Outputs [tokens][N] of the rows [first, last).
static void ternary_multiply(const TernaryWeight& weight, const TernaryTokens& inputs, std::size_t tokens,
                            std::size_t first, std::size_t last, float* out) {
  const std::size_t row_bytes = weight.row_bytes, stride = inputs.stride;
  auto* four = (std::uint8_t*)allocate(4 * stride);
  for (std::size_t i = 0; i < 4 * stride; ++i) four[i] = 0;
  for (std::size_t row = first; row < last; row += 4) {
    const std::size_t rows = last - row < 4 ? last - row : 4;
    const std::uint8_t* packed = weight.codes + row * row_bytes;
    if (tokens <= ternary_few_tokens) {
      if (rows < 4) {  // nothing may be read beyond the last row
        __builtin_memcpy(four, packed, rows * row_bytes);
        packed = four;
      }
      ternary_tokens<ternary_few_tokens>(weight, inputs, 0, tokens, row, rows, TernaryPacked{packed, row_bytes}, out);
    } else {
      for (std::size_t r = 0; r < rows; ++r) ternary_decode(packed + r * row_bytes, row_bytes, four + r * stride);
      ternary_tokens<ternary_tokens_at_once>(weight, inputs, 0, tokens, row, rows, TernaryDecoded{four}, out);
    }
  }
  release(four);
}
