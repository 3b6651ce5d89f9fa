// bitnet.cpp's products on one thread. The reference, with the source of each step, is src/targets/bitnet-cpp. Its sums
// are exact integers, so all of its formats are computed alike here: 2-bit codes trit + 1, four a byte as I2_S lays them,
// times INT8 inputs that lie in the order in which a register of codes holds them. Σ trit · x = Σ code · x − Σ x.

/// Bytes of codes that are taken at a time: a register. Inputs come in groups of four times as many.
#if defined(__AVX512VNNI__)
constexpr std::size_t bitnet_width = 64;
constexpr int bitnet_tokens_at_once = 6;
#elif defined(__AVX2__)
constexpr std::size_t bitnet_width = 32;
constexpr int bitnet_tokens_at_once = 2;
#else
constexpr std::size_t bitnet_width = 16;
constexpr int bitnet_tokens_at_once = 4;
#endif
constexpr int bitnet_rows_at_once = 4;
constexpr int bitnet_few_tokens = 4;

/// How far ahead of the codes in use memory is asked for more.
constexpr std::size_t bitnet_prefetch_bytes = 8192;

typedef std::int32_t BitnetDots __attribute__((vector_size(16)));  // of bitnet_rows_at_once rows
typedef float BitnetOutputs __attribute__((vector_size(16)));

/// Calls `take(at, bytes)` for every register of a row: `bytes` points into the row, and to a copy that ends in zeros where
/// the row does not fill the last one.
template <class Take>
static inline void bitnet_registers(const std::uint8_t* row, std::size_t row_bytes, const Take& take) {
  std::size_t at = 0;
  for (; at + bitnet_width <= row_bytes; at += bitnet_width) take(at, row + at);
  if (at == row_bytes) return;
  std::uint8_t last[bitnet_width]{};
  __builtin_memcpy(last, row + at, row_bytes - at);
  take(at, (const std::uint8_t*)last);
}

// ---------------------------------------------------------------------------------------------------------- tokens

/// The largest magnitude, at least `least`. NaN is larger than anything, so that the factor tells of it.
static inline float bitnet_largest(const float* x, std::size_t count, float least) {
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

static inline F32 bitnet_rounded(F32 x, F32 factor) {
  const F32 rounded = round_half_to_even(x * factor);
  const F32 high = rounded < 127.0f ? rounded : splat(127.0f);
  return high > -128.0f ? high : splat(-128.0f);
}

/// INT8 codes of one token in the order of its inputs; returns their sum.
static std::int32_t bitnet_round(const float* x, std::size_t count, float factor, std::int8_t* codes) {
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
    const I32 rounded = __builtin_convertvector(bitnet_rounded(values, splat(factor)), I32);
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
static void bitnet_arrange(const std::int8_t* codes, std::size_t stride, std::int8_t* out) {
  constexpr std::size_t run = block < bitnet_width ? block : bitnet_width;
  for (std::size_t group = 0; group < stride; group += 4 * bitnet_width) {
    for (std::size_t place = 0; place < 4; ++place) {
      for (std::size_t byte = 0; byte < bitnet_width; byte += run, out += run) {
        const std::size_t at = group / 4 + byte;  // the byte of the row that holds these codes in its bits of this place
        __builtin_memcpy(out, codes + at / block * 4 * block + place * block + at % block, run);
      }
    }
  }
}

/// INT8 codes [stride] of one token in the order of registers, zero beyond its inputs, and their sum. Returns the factor
/// that made them.
static float bitnet_quantize(const float* x, std::size_t columns, std::size_t stride, std::size_t block, bool floored,
                             std::int8_t* codes, std::int32_t* sum) {
  const float factor = 127.0f / bitnet_largest(x, columns, floored ? 1e-5f : 0.0f);
  auto* natural = (std::int8_t*)allocate(stride + lanes);
  for (std::size_t i = 0; i < stride + lanes; ++i) natural[i] = 0;
  // The reciprocal of next to nothing is infinite and tells nothing of an input.
  *sum = factor <= 3.4028234663852886e38f ? bitnet_round(x, columns, factor, natural) : 0;
  if (block == 32) bitnet_arrange<32>(natural, stride, codes);
  if (block == 16) bitnet_arrange<16>(natural, stride, codes);
  release(natural);
  return factor;
}

// ---------------------------------------------------------------------------------------------------------- sums

#if defined(__AVX512VNNI__)

/// sum += Σ of four products in each INT32 lane. GCC 12 copies the sum before and after the intrinsic and so needs twice the
/// registers.
static inline __m512i bitnet_products(__m512i sum, __m512i codes, __m512i inputs) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(inputs));
  return sum;
}

/// Lane r is the sum of register r.
static inline BitnetDots bitnet_sums(__m512i r0, __m512i r1, __m512i r2, __m512i r3) {
  const __m512i low = _mm512_add_epi32(_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
  const __m512i high = _mm512_add_epi32(_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
  const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return (BitnetDots)_mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/// Σ code · x of one row of codes and `tokens` tokens, as INT32 lanes to be added. Codes stay in their bits of the byte:
/// bits 7:6 make sums 64 times too large, which INT32 holds up to 2^22 inputs (65,536 a lane and step).
template <int tokens>
static inline void bitnet_row(const std::uint8_t* codes, std::size_t row_bytes, const std::int8_t* x,
                              std::size_t stride, __m512i (&out)[tokens][4], int row) {
  const __m512i masks[4] = {_mm512_set1_epi8((char)0xc0), _mm512_set1_epi8(0x30), _mm512_set1_epi8(0x0c),
                            _mm512_set1_epi8(0x03)};
  __m512i sums[tokens][4];
#pragma GCC unroll 4
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 4
    for (int place = 0; place < 4; ++place) sums[t][place] = _mm512_setzero_si512();
  }
  for (std::size_t at = 0; at < row_bytes; at += 64) {
    const __mmask64 kept = row_bytes - at < 64 ? ((__mmask64)1 << (row_bytes - at)) - 1 : ~(__mmask64)0;
    const __m512i bytes = _mm512_maskz_loadu_epi8(kept, codes + at);
    _mm_prefetch((const char*)codes + at + bitnet_prefetch_bytes, _MM_HINT_T0);
#pragma GCC unroll 4
    for (int place = 0; place < 4; ++place) {
      const __m512i code = _mm512_and_si512(bytes, masks[place]);
#pragma GCC unroll 4
      for (int t = 0; t < tokens; ++t) {
        const __m512i input = _mm512_loadu_si512(x + t * stride + 4 * at + 64 * place);
        sums[t][place] = bitnet_products(sums[t][place], code, input);
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < tokens; ++t) {
    out[t][row] = _mm512_add_epi32(
        _mm512_add_epi32(_mm512_srai_epi32(sums[t][0], 6), _mm512_srai_epi32(sums[t][1], 4)),
        _mm512_add_epi32(_mm512_srai_epi32(sums[t][2], 2), sums[t][3]));
  }
}

/// Σ code · x of four rows of codes and a few tokens. One row after the other: a processor reads ahead of one stream best.
template <int tokens>
static void bitnet_stream(const std::uint8_t* codes, std::size_t row_bytes, const std::int8_t* x, std::size_t stride,
                          BitnetDots* dots) {
  __m512i sums[tokens][4];
  for (int row = 0; row < 4; ++row) bitnet_row<tokens>(codes + row * row_bytes, row_bytes, x, stride, sums, row);
  for (int t = 0; t < tokens; ++t) dots[t] = bitnet_sums(sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
}

/// Σ code · x of four rows of codes, a byte each, and `tokens` tokens, all `stride` long.
template <int tokens>
static void bitnet_tile(const std::uint8_t* codes, const std::int8_t* x, std::size_t stride, BitnetDots* dots) {
  __m512i sums[tokens][4];
#pragma GCC unroll 6
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 6
    for (int row = 0; row < 4; ++row) sums[t][row] = _mm512_setzero_si512();
  }
  for (std::size_t i = 0; i < stride; i += 64) {
    __m512i code[4];
#pragma GCC unroll 6
    for (int row = 0; row < 4; ++row) code[row] = _mm512_loadu_si512(codes + row * stride + i);
#pragma GCC unroll 6
    for (int t = 0; t < tokens; ++t) {
      const __m512i input = _mm512_loadu_si512(x + t * stride + i);
#pragma GCC unroll 6
      for (int row = 0; row < 4; ++row) sums[t][row] = bitnet_products(sums[t][row], code[row], input);
    }
  }
#pragma GCC unroll 6
  for (int t = 0; t < tokens; ++t) dots[t] = bitnet_sums(sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
}

#elif defined(__AVX2__)

static inline BitnetDots bitnet_sums(__m256i r0, __m256i r1, __m256i r2, __m256i r3) {
  const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(r0, r1), _mm256_hadd_epi32(r2, r3));
  return (BitnetDots)_mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

static inline __m256i bitnet_widen(__m256i sums, __m256i pairs) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

template <int tokens>
static void bitnet_stream(const std::uint8_t* codes, std::size_t row_bytes, const std::int8_t* x, std::size_t stride,
                          BitnetDots* dots) {
  const __m256i mask = _mm256_set1_epi8(3);
  __m256i sums[tokens][4];
  for (int row = 0; row < 4; ++row) {
    __m256i of_row[tokens];
#pragma GCC unroll 4
    for (int t = 0; t < tokens; ++t) of_row[t] = _mm256_setzero_si256();
    bitnet_registers(codes + row * row_bytes, row_bytes, [&](std::size_t at, const std::uint8_t* from) {
      const __m256i bytes = _mm256_loadu_si256((const __m256i*)from);
      _mm_prefetch((const char*)from + bitnet_prefetch_bytes, _MM_HINT_T0);
      const __m256i code[4] = {_mm256_and_si256(_mm256_srli_epi16(bytes, 6), mask),
                               _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask),
                               _mm256_and_si256(_mm256_srli_epi16(bytes, 2), mask), _mm256_and_si256(bytes, mask)};
#pragma GCC unroll 4
      for (int t = 0; t < tokens; ++t) {
        __m256i pairs = _mm256_setzero_si256();  // at most 4 · 2 · 2 · 128
#pragma GCC unroll 4
        for (int place = 0; place < 4; ++place) {
          const __m256i input = _mm256_loadu_si256((const __m256i*)(x + t * stride + 4 * at + 32 * place));
          pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(code[place], input));
        }
        of_row[t] = bitnet_widen(of_row[t], pairs);
      }
    });
    for (int t = 0; t < tokens; ++t) sums[t][row] = of_row[t];
  }
  for (int t = 0; t < tokens; ++t) dots[t] = bitnet_sums(sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
}

template <int tokens>
static void bitnet_tile(const std::uint8_t* codes, const std::int8_t* x, std::size_t stride, BitnetDots* dots) {
  __m256i sums[tokens][4];
  for (auto& token : sums) {
    for (auto& sum : token) sum = _mm256_setzero_si256();
  }
  for (std::size_t first = 0; first < stride; first += 1024) {
    // 32 pairs of at most 512 stay below 2^15.
    const std::size_t last = stride - first < 1024 ? stride : first + 1024;
    __m256i pairs[tokens][4];
    for (auto& token : pairs) {
      for (auto& pair : token) pair = _mm256_setzero_si256();
    }
    for (std::size_t i = first; i < last; i += 32) {
      __m256i code[4];
      for (int row = 0; row < 4; ++row) code[row] = _mm256_loadu_si256((const __m256i*)(codes + row * stride + i));
      for (int t = 0; t < tokens; ++t) {
        const __m256i input = _mm256_loadu_si256((const __m256i*)(x + t * stride + i));
        for (int row = 0; row < 4; ++row) {
          pairs[t][row] = _mm256_add_epi16(pairs[t][row], _mm256_maddubs_epi16(code[row], input));
        }
      }
    }
    for (int t = 0; t < tokens; ++t) {
      for (int row = 0; row < 4; ++row) sums[t][row] = bitnet_widen(sums[t][row], pairs[t][row]);
    }
  }
  for (int t = 0; t < tokens; ++t) dots[t] = bitnet_sums(sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
}

#else

typedef std::uint8_t BitnetCodes __attribute__((vector_size(16)));
typedef std::int8_t BitnetInputs __attribute__((vector_size(16)));
typedef std::int16_t BitnetProducts __attribute__((vector_size(32)));
typedef std::int32_t BitnetLanes __attribute__((vector_size(64)));

/// 16 products, at most 2 · 128 each.
static inline BitnetProducts bitnet_products(BitnetCodes codes, const std::int8_t* x) {
  BitnetInputs inputs;
  __builtin_memcpy(&inputs, x, sizeof inputs);
  return __builtin_convertvector(codes, BitnetProducts) * __builtin_convertvector(inputs, BitnetProducts);
}

static inline std::int32_t bitnet_sum(BitnetLanes lanes_of) {
  std::int32_t sum = 0;
  for (int lane = 0; lane < 16; ++lane) sum += lanes_of[lane];
  return sum;
}

template <int tokens>
static void bitnet_stream(const std::uint8_t* codes, std::size_t row_bytes, const std::int8_t* x, std::size_t stride,
                          BitnetDots* dots) {
  for (int row = 0; row < 4; ++row) {
    BitnetLanes sums[tokens]{};
    bitnet_registers(codes + row * row_bytes, row_bytes, [&](std::size_t at, const std::uint8_t* from) {
      BitnetCodes bytes;
      __builtin_memcpy(&bytes, from, sizeof bytes);
      for (int t = 0; t < tokens; ++t) {
        BitnetProducts products{};
        for (int place = 0; place < 4; ++place) {
          products += bitnet_products(bytes >> (6 - 2 * place) & 3, x + t * stride + 4 * at + 16 * place);
        }
        sums[t] += __builtin_convertvector(products, BitnetLanes);
      }
    });
    for (int t = 0; t < tokens; ++t) dots[t][row] = bitnet_sum(sums[t]);
  }
}

template <int tokens>
static void bitnet_tile(const std::uint8_t* codes, const std::int8_t* x, std::size_t stride, BitnetDots* dots) {
  for (int t = 0; t < tokens; ++t) {
    for (int row = 0; row < 4; ++row) {
      BitnetLanes sums{};
      for (std::size_t first = 0; first < stride; first += 256) {  // 16 products stay below 2^15
        BitnetProducts products{};
        for (std::size_t i = first; i < first + 256; i += 16) {
          BitnetCodes of_row;
          __builtin_memcpy(&of_row, codes + row * stride + i, sizeof of_row);
          products += bitnet_products(of_row, x + t * stride + i);
        }
        sums += __builtin_convertvector(products, BitnetLanes);
      }
      dots[t][row] = bitnet_sum(sums);
    }
  }
}

#endif

// ---------------------------------------------------------------------------------------------------------- products

/// The codes of a row, a byte each, in the order of registers.
static void bitnet_decode(const std::uint8_t* row, std::size_t row_bytes, std::uint8_t* out) {
  typedef std::uint8_t Bytes __attribute__((vector_size(bitnet_width)));
  bitnet_registers(row, row_bytes, [&](std::size_t at, const std::uint8_t* from) {
    Bytes bytes;
    __builtin_memcpy(&bytes, from, sizeof bytes);
    for (int place = 0; place < 4; ++place) {
      const Bytes codes = bytes >> (6 - 2 * place) & 3;
      __builtin_memcpy(out + 4 * at + bitnet_width * place, &codes, sizeof codes);
    }
  });
}

/// As the sources divide and multiply; see `output` of arithmetic.ts.
static inline BitnetOutputs bitnet_outputs(const BitnetWeight& weight, BitnetDots dots, std::int32_t sum, float factor) {
  const BitnetOutputs sums = weight.tables ? __builtin_convertvector(dots - sum, BitnetOutputs)
                                           : __builtin_convertvector(dots, BitnetOutputs) - (float)sum;
  return sums / factor * weight.scale;
}

static inline void bitnet_store(const BitnetWeight& weight, const BitnetTokens& inputs, std::size_t token,
                                std::size_t row, std::size_t rows, BitnetDots dots, float* out) {
  const BitnetOutputs outputs = bitnet_outputs(weight, dots, inputs.sums[token], inputs.factors[token]);
  float* y = out + token * weight.rows + row;
  if (rows == 4) {
    __builtin_memcpy(y, &outputs, sizeof outputs);
  } else {
    __builtin_memcpy(y, &outputs, rows * sizeof(float));
  }
}

/// Tokens of `tokens` at a time, then those that are left.
template <int tokens, class Dots>
static inline void bitnet_tokens(const BitnetWeight& weight, const BitnetTokens& inputs, std::size_t first,
                                 std::size_t last, std::size_t row, std::size_t rows, const Dots& dots_of, float* out) {
  for (; last - first >= (std::size_t)tokens; first += tokens) {
    BitnetDots dots[tokens];
    dots_of.template of<tokens>(inputs.codes + first * inputs.stride, inputs.stride, dots);
    for (int t = 0; t < tokens; ++t) bitnet_store(weight, inputs, first + t, row, rows, dots[t], out);
  }
  if constexpr (tokens > 1) {
    if (first < last) bitnet_tokens<tokens - 1>(weight, inputs, first, last, row, rows, dots_of, out);
  }
}

/// Four rows as they lie in memory.
struct BitnetPacked {
  const std::uint8_t* codes;
  std::size_t row_bytes;

  template <int tokens>
  void of(const std::int8_t* x, std::size_t stride, BitnetDots* dots) const {
    bitnet_stream<tokens>(codes, row_bytes, x, stride, dots);
  }
};

/// Four rows of a byte a code.
struct BitnetDecoded {
  const std::uint8_t* codes;

  template <int tokens>
  void of(const std::int8_t* x, std::size_t stride, BitnetDots* dots) const {
    bitnet_tile<tokens>(codes, x, stride, dots);
  }
};

/// Outputs [tokens][N] of the rows [first, last).
static void bitnet_multiply(const BitnetWeight& weight, const BitnetTokens& inputs, std::size_t tokens,
                            std::size_t first, std::size_t last, float* out) {
  const std::size_t row_bytes = weight.row_bytes, stride = inputs.stride;
  auto* four = (std::uint8_t*)allocate(4 * stride);
  for (std::size_t i = 0; i < 4 * stride; ++i) four[i] = 0;
  for (std::size_t row = first; row < last; row += 4) {
    const std::size_t rows = last - row < 4 ? last - row : 4;
    const std::uint8_t* packed = weight.codes + row * row_bytes;
    if (tokens <= bitnet_few_tokens) {
      if (rows < 4) {  // nothing may be read beyond the last row
        __builtin_memcpy(four, packed, rows * row_bytes);
        packed = four;
      }
      bitnet_tokens<bitnet_few_tokens>(weight, inputs, 0, tokens, row, rows, BitnetPacked{packed, row_bytes}, out);
    } else {
      for (std::size_t r = 0; r < rows; ++r) bitnet_decode(packed + r * row_bytes, row_bytes, four + r * stride);
      bitnet_tokens<bitnet_tokens_at_once>(weight, inputs, 0, tokens, row, rows, BitnetDecoded{four}, out);
    }
  }
  release(four);
}
