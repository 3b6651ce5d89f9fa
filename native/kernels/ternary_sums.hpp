// The sums of ternary_multiply.hpp, which depend on the instruction set: of four rows of 2-bit codes as they lie in
// memory and a few tokens (`ternary_stream`), and of four rows of codes of a byte each and more tokens, all in
// registers (`ternary_tile`).

/// Bytes of codes that are taken at a time: a register. Inputs come in groups of four times as many. Up to
/// `ternary_few_tokens` tokens codes are not decoded to bytes.
#if defined(__AVX512VNNI__)
constexpr std::size_t ternary_width = 64;
constexpr int ternary_tokens_at_once = 6;
constexpr int ternary_few_tokens = 2;
#elif defined(__AVX2__)
constexpr std::size_t ternary_width = 32;
constexpr int ternary_tokens_at_once = 2;
constexpr int ternary_few_tokens = 4;
#else
constexpr std::size_t ternary_width = 16;
constexpr int ternary_tokens_at_once = 4;
constexpr int ternary_few_tokens = 4;
#endif

/// How far ahead of the codes in use memory is asked for more.
constexpr std::size_t ternary_prefetch_bytes = 8192;

typedef std::int32_t TernaryDots __attribute__((vector_size(16)));  // of four rows

/// Calls `take(at, bytes)` for every register of a row: `bytes` points into the row, and to a copy that ends in zeros where
/// the row does not fill the last one.
template <class Take>
static inline void ternary_registers(const std::uint8_t* row, std::size_t row_bytes, const Take& take) {
  std::size_t at = 0;
  for (; at + ternary_width <= row_bytes; at += ternary_width) take(at, row + at);
  if (at == row_bytes) return;
  std::uint8_t last[ternary_width]{};
  __builtin_memcpy(last, row + at, row_bytes - at);
  take(at, (const std::uint8_t*)last);
}

#if defined(__AVX512VNNI__)

/// sum += Σ of four products in each INT32 lane. GCC 12 copies the sum before and after the intrinsic and so needs twice the
/// registers.
static inline __m512i ternary_products(__m512i sum, __m512i codes, __m512i inputs) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(inputs));
  return sum;
}

/// Lane r is the sum of register r.
static inline TernaryDots ternary_sums(__m512i r0, __m512i r1, __m512i r2, __m512i r3) {
  const __m512i low = _mm512_add_epi32(_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
  const __m512i high = _mm512_add_epi32(_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
  const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return (TernaryDots)_mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/// Σ code · x of one row of codes and `tokens` tokens, as INT32 lanes to be added. Codes stay in their bits of the byte:
/// bits 7:6 make sums 64 times too large, which INT32 holds up to 2^22 inputs (65,536 a lane and step).
template <int tokens>
static inline void ternary_row(const std::uint8_t* codes, std::size_t row_bytes, const std::int8_t* x,
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
    _mm_prefetch((const char*)codes + at + ternary_prefetch_bytes, _MM_HINT_T0);
#pragma GCC unroll 4
    for (int place = 0; place < 4; ++place) {
      const __m512i code = _mm512_and_si512(bytes, masks[place]);
#pragma GCC unroll 4
      for (int t = 0; t < tokens; ++t) {
        const __m512i input = _mm512_loadu_si512(x + t * stride + 4 * at + 64 * place);
        sums[t][place] = ternary_products(sums[t][place], code, input);
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
[[gnu::noinline]] static void ternary_stream(const std::uint8_t* codes, std::size_t row_bytes, const std::int8_t* x,
                                            std::size_t stride, TernaryDots* dots) {
  __m512i sums[tokens][4];
  for (int row = 0; row < 4; ++row) ternary_row<tokens>(codes + row * row_bytes, row_bytes, x, stride, sums, row);
  for (int t = 0; t < tokens; ++t) dots[t] = ternary_sums(sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
}

/// Σ code · x of four rows of codes, a byte each, and `tokens` tokens, all `length` long and `stride` apart.
template <int tokens>
[[gnu::noinline]] static void ternary_tile(const std::uint8_t* codes, const std::int8_t* x, std::size_t length,
                                          std::size_t stride, TernaryDots* dots) {
  __m512i sums[tokens][4];
#pragma GCC unroll 6
  for (int t = 0; t < tokens; ++t) {
#pragma GCC unroll 6
    for (int row = 0; row < 4; ++row) sums[t][row] = _mm512_setzero_si512();
  }
  for (std::size_t i = 0; i < length; i += 64) {
    __m512i code[4];
#pragma GCC unroll 6
    for (int row = 0; row < 4; ++row) code[row] = _mm512_loadu_si512(codes + row * stride + i);
#pragma GCC unroll 6
    for (int t = 0; t < tokens; ++t) {
      const __m512i input = _mm512_loadu_si512(x + t * stride + i);
#pragma GCC unroll 6
      for (int row = 0; row < 4; ++row) sums[t][row] = ternary_products(sums[t][row], code[row], input);
    }
  }
#pragma GCC unroll 6
  for (int t = 0; t < tokens; ++t) dots[t] = ternary_sums(sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
}

#elif defined(__AVX2__)

static inline TernaryDots ternary_sums(__m256i r0, __m256i r1, __m256i r2, __m256i r3) {
  const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(r0, r1), _mm256_hadd_epi32(r2, r3));
  return (TernaryDots)_mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

static inline __m256i ternary_widen(__m256i sums, __m256i pairs) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

template <int tokens>
[[gnu::noinline]] static void ternary_stream(const std::uint8_t* codes, std::size_t row_bytes, const std::int8_t* x,
                                            std::size_t stride, TernaryDots* dots) {
  const __m256i mask = _mm256_set1_epi8(3);
  __m256i sums[tokens][4];
  for (int row = 0; row < 4; ++row) {
    __m256i of_row[tokens];
#pragma GCC unroll 4
    for (int t = 0; t < tokens; ++t) of_row[t] = _mm256_setzero_si256();
    ternary_registers(codes + row * row_bytes, row_bytes, [&](std::size_t at, const std::uint8_t* from) {
      const __m256i bytes = _mm256_loadu_si256((const __m256i*)from);
      _mm_prefetch((const char*)from + ternary_prefetch_bytes, _MM_HINT_T0);
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
        of_row[t] = ternary_widen(of_row[t], pairs);
      }
    });
    for (int t = 0; t < tokens; ++t) sums[t][row] = of_row[t];
  }
  for (int t = 0; t < tokens; ++t) dots[t] = ternary_sums(sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
}

template <int tokens>
[[gnu::noinline]] static void ternary_tile(const std::uint8_t* codes, const std::int8_t* x, std::size_t length,
                                          std::size_t stride, TernaryDots* dots) {
  __m256i sums[tokens][4];
  for (auto& token : sums) {
    for (auto& sum : token) sum = _mm256_setzero_si256();
  }
  for (std::size_t first = 0; first < length; first += 1024) {
    // 32 pairs of at most 512 stay below 2^15.
    const std::size_t last = length - first < 1024 ? length : first + 1024;
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
      for (int row = 0; row < 4; ++row) sums[t][row] = ternary_widen(sums[t][row], pairs[t][row]);
    }
  }
  for (int t = 0; t < tokens; ++t) dots[t] = ternary_sums(sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
}

#else

typedef std::uint8_t TernaryCodes __attribute__((vector_size(16)));
typedef std::int8_t TernaryInputs __attribute__((vector_size(16)));
typedef std::int16_t TernaryProducts __attribute__((vector_size(32)));
typedef std::int32_t TernaryLanes __attribute__((vector_size(64)));

/// 16 products, at most 2 · 128 each.
static inline TernaryProducts ternary_products(TernaryCodes codes, const std::int8_t* x) {
  TernaryInputs inputs;
  __builtin_memcpy(&inputs, x, sizeof inputs);
  return __builtin_convertvector(codes, TernaryProducts) * __builtin_convertvector(inputs, TernaryProducts);
}

static inline std::int32_t ternary_sum(TernaryLanes lanes_of) {
  std::int32_t sum = 0;
  for (int lane = 0; lane < 16; ++lane) sum += lanes_of[lane];
  return sum;
}

template <int tokens>
[[gnu::noinline]] static void ternary_stream(const std::uint8_t* codes, std::size_t row_bytes, const std::int8_t* x,
                                            std::size_t stride, TernaryDots* dots) {
  for (int row = 0; row < 4; ++row) {
    TernaryLanes sums[tokens]{};
    ternary_registers(codes + row * row_bytes, row_bytes, [&](std::size_t at, const std::uint8_t* from) {
      TernaryCodes bytes;
      __builtin_memcpy(&bytes, from, sizeof bytes);
      for (int t = 0; t < tokens; ++t) {
        TernaryProducts products{};
        for (int place = 0; place < 4; ++place) {
          products += ternary_products(bytes >> (6 - 2 * place) & 3, x + t * stride + 4 * at + 16 * place);
        }
        sums[t] += __builtin_convertvector(products, TernaryLanes);
      }
    });
    for (int t = 0; t < tokens; ++t) dots[t][row] = ternary_sum(sums[t]);
  }
}

template <int tokens>
[[gnu::noinline]] static void ternary_tile(const std::uint8_t* codes, const std::int8_t* x, std::size_t length,
                                          std::size_t stride, TernaryDots* dots) {
  for (int t = 0; t < tokens; ++t) {
    for (int row = 0; row < 4; ++row) {
      TernaryLanes sums{};
      for (std::size_t first = 0; first < length; first += 256) {  // 16 products stay below 2^15
        TernaryProducts products{};
        for (std::size_t i = first; i < first + 256; i += 16) {
          TernaryCodes of_row;
          __builtin_memcpy(&of_row, codes + row * stride + i, sizeof of_row);
          products += ternary_products(of_row, x + t * stride + i);
        }
        sums += __builtin_convertvector(products, TernaryLanes);
      }
      dots[t][row] = ternary_sum(sums);
    }
  }
}

#endif
