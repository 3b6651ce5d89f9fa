// TeLLMe's products on one thread. The reference, which does the table lookups, is src/targets/tellme/arithmetic.ts: INT32
// sums are exact in any order, so here the indices are decoded to digits 0, 1, 2 and multiplied. Σ (digit − 1) · x is
// the dot product of unsigned digits and signed codes, less Σ x.

constexpr std::size_t tellme_rows_at_once = 4;
constexpr std::size_t tellme_tokens_at_once = 4;

/// The three digits of every index as bytes, in the order of their inputs.
struct TellmeDigits {
  std::uint32_t of_index[2][32];  // [most, least significant first]

  constexpr TellmeDigits() : of_index{} {
    for (std::uint32_t index = 0; index < 32; ++index) {
      const std::uint32_t low = index % 3, middle = index / 3 % 3, high = index / 9 % 3;
      of_index[0][index] = high | middle << 8 | low << 16;
      of_index[1][index] = low | middle << 8 | high << 16;
    }
  }
};

static constexpr TellmeDigits tellme_digits{};

/// INT8 codes [stride] of one token, zero beyond its inputs, and their sum. Returns the factor that made them.
static float tellme_quantize(const float* x, std::size_t columns, std::size_t stride, std::int8_t* codes,
                             std::int32_t* sum) {
  float largest = 1e-5f;
  for (std::size_t i = 0; i < columns; ++i) {
    const float magnitude = __builtin_fabsf(x[i]);
    // NaN is taken and never given up again, so that the factor tells of it.
    largest = magnitude > largest || magnitude != magnitude ? magnitude : largest;
  }
  const float scale = 127.0f / largest;
  std::int32_t total = 0;
  for (std::size_t i = 0; i < columns; ++i) {
    const float magic = 12582912.0f;  // 1.5 · 2^23: the addition rounds half to even
    const float rounded = (x[i] * scale + magic) - magic;
    const float high = rounded < 127.0f ? rounded : 127.0f;
    codes[i] = (std::int8_t)(high > -128.0f ? high : -128.0f);
    total += codes[i];
  }
  for (std::size_t i = columns; i < stride; ++i) codes[i] = 0;
  *sum = total;
  return scale;
}

/// Digits of the 84 weights of a word of 28 five-bit indices; writes one byte more.
static inline void tellme_decode_word(const std::uint8_t* word, const std::uint32_t* digits_of, std::uint8_t* out) {
  const auto put = [&](std::uint64_t indices, int count) {
    for (int i = 0; i < count; ++i, out += 3) __builtin_memcpy(out, &digits_of[indices >> (5 * i) & 31], 4);
  };
  for (int eight = 0; eight < 3; ++eight) {
    std::uint64_t indices;
    __builtin_memcpy(&indices, word + 5 * eight, 8);
    put(indices, 8);
  }
  std::uint32_t last;
  __builtin_memcpy(&last, word + 14, 4);
  put(last >> 8, 4);
}

/// Σ digit · code for `tellme_rows_at_once` rows of digits and `tokens` tokens of codes, all `stride` long (whole 64s).
template <int tokens>
static void tellme_dots(const std::uint8_t* digits, const std::int8_t* codes, std::size_t stride,
                        std::int32_t (&dots)[tellme_rows_at_once][tellme_tokens_at_once]) {
  constexpr int rows = tellme_rows_at_once;
#if defined(__AVX512VNNI__)
  __m512i sums[rows][tokens];
  for (auto& row : sums) {
    for (auto& sum : row) sum = _mm512_setzero_si512();
  }
  for (std::size_t i = 0; i < stride; i += 64) {
    for (int row = 0; row < rows; ++row) {
      const __m512i digit = _mm512_loadu_si512(digits + row * stride + i);
      for (int t = 0; t < tokens; ++t) {
        sums[row][t] = _mm512_dpbusd_epi32(sums[row][t], digit, _mm512_loadu_si512(codes + t * stride + i));
      }
    }
  }
  for (int row = 0; row < rows; ++row) {
    for (int t = 0; t < tokens; ++t) dots[row][t] = _mm512_reduce_add_epi32(sums[row][t]);
  }
#elif defined(__AVX2__)
  for (int row = 0; row < rows; ++row) {
    __m256i sums[tokens];
    for (auto& sum : sums) sum = _mm256_setzero_si256();
    for (std::size_t i = 0; i < stride; i += 32) {
      const __m256i digit = _mm256_loadu_si256((const __m256i*)(digits + row * stride + i));
      for (int t = 0; t < tokens; ++t) {
        const __m256i code = _mm256_loadu_si256((const __m256i*)(codes + t * stride + i));
        const __m256i pairs = _mm256_maddubs_epi16(digit, code);  // at most 2 · 2 · 128
        sums[t] = _mm256_add_epi32(sums[t], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
      }
    }
    for (int t = 0; t < tokens; ++t) {
      std::int32_t lane[8];
      _mm256_storeu_si256((__m256i*)lane, sums[t]);
      dots[row][t] = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    }
  }
#else
  for (int row = 0; row < rows; ++row) {
    for (int t = 0; t < tokens; ++t) {
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < stride; ++i) sum += digits[row * stride + i] * codes[t * stride + i];
      dots[row][t] = sum;
    }
  }
#endif
}

static inline float tellme_float16(float value) { return __builtin_copysignf(to_float16_value(value), value); }

/// Outputs [tokens][rows] of the rows [first, last), added to `out` in float16 when `add`.
static void tellme_multiply(const TellmePlane& plane, const TellmeTokens& inputs, std::size_t tokens, std::size_t first,
                            std::size_t last, bool add, float* out) {
  const std::size_t stride = inputs.stride;
  auto* digits = (std::uint8_t*)allocate(tellme_rows_at_once * stride + 64);
  for (std::size_t i = 0; i < tellme_rows_at_once * stride; ++i) digits[i] = 0;
  for (std::size_t row = first; row < last; row += tellme_rows_at_once) {
    const std::size_t rows = last - row < tellme_rows_at_once ? last - row : tellme_rows_at_once;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t word = 0; word < plane.words_along; ++word) {
        const std::uint8_t* bytes = plane.words + (word * plane.rows + row + r) * 18;
        tellme_decode_word(bytes, tellme_digits.of_index[plane.least_first], digits + r * stride + word * 84);
      }
    }
    for (std::size_t token = 0; token < tokens;) {
      std::int32_t dots[tellme_rows_at_once][tellme_tokens_at_once];
      const std::int8_t* codes = inputs.codes + token * stride;
      const std::size_t some = tokens - token < tellme_tokens_at_once ? 1 : tellme_tokens_at_once;
      if (some == 1) {
        tellme_dots<1>(digits, codes, stride, dots);
      } else {
        tellme_dots<tellme_tokens_at_once>(digits, codes, stride, dots);
      }
      for (std::size_t t = 0; t < some; ++t, ++token) {
        const float factor = plane.scale / inputs.scales[token];
        for (std::size_t r = 0; r < rows; ++r) {
          const float sum = (float)(dots[r][t] - inputs.sums[token]);
          const float value = tellme_float16(sum * factor);
          float* y = out + token * plane.rows + row + r;
          *y = add ? tellme_float16(*y + value) : value;
        }
      }
    }
  }
  release(digits);
}
