// Float16 values held as float32, several outputs side by side, and LUT-GEMM's table entries, as each instruction set has
// them. A float32 sum of two float16 values, rounded to float16, is rounded once (24 ≥ 2 · 11 + 2 bits); a fused
// multiply-add needs the float32 sum rounded to odd first (Boldo & Melquiond 2008), as 24 < 22 + 11 bits.

#if defined(__AVX512BW__)

/// Where the lower halves of 32-bit words lie among 16-bit ones.
struct LutEvenWords {
  alignas(64) std::uint16_t of[32];

  constexpr LutEvenWords() : of{} {
    for (int i = 0; i < 32; ++i) of[i] = (std::uint16_t)(2 * i);
  }
};

static constexpr LutEvenWords lut_even_words{};

/// 64 outputs.
struct Halves {
  __m512 of[4];
};
constexpr std::size_t halves_width = 64;

static inline Halves splat_halves(float value) {
  const __m512 all = _mm512_set1_ps(value);
  return {{all, all, all, all}};
}

static inline __m512 round_to_half(__m512 x) {
  return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline Halves halves_of(__m512i low, __m512i high) {
  return {{_mm512_cvtph_ps(_mm512_castsi512_si256(low)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64(low, 1)),
           _mm512_cvtph_ps(_mm512_castsi512_si256(high)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64(high, 1))}};
}

static inline Halves load_halves(const std::uint8_t* values) {
  return halves_of(_mm512_loadu_si512(values), _mm512_loadu_si512(values + 64));
}

static inline Halves load_floats(const float* values) {
  Halves out;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) out.of[i] = _mm512_loadu_ps(values + 16 * i);
  return out;
}

static inline void store_floats(float* values, const Halves& x) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) _mm512_storeu_ps(values + 16 * i, x.of[i]);
}

static inline Halves add(const Halves& a, const Halves& b) {
  Halves out;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) out.of[i] = round_to_half(_mm512_add_ps(a.of[i], b.of[i]));
  return out;
}

static inline Halves multiply_add(const Halves& a, const Halves& b, const Halves& c) {
  Halves out;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512 product = _mm512_mul_ps(a.of[i], b.of[i]);  // 22 bits: exact
    // Of the two neighbours of an inexact sum the odd one is taken.
    const __m512 down = _mm512_add_round_ps(product, c.of[i], _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    const __m512 up = _mm512_add_round_ps(product, c.of[i], _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
    const __mmask16 odd = _mm512_test_epi32_mask(_mm512_castps_si512(down), _mm512_set1_epi32(1));
    out.of[i] = round_to_half(_mm512_mask_mov_ps(up, odd, down));
  }
  return out;
}

typedef std::uint16_t LutEntry;

static inline float entry_value(LutEntry entry) { return _cvtsh_ss(entry); }

static inline void round_sixteen(float* values) { _mm512_storeu_ps(values, round_to_half(_mm512_loadu_ps(values))); }

static inline void store_entries(LutEntry* to, const float* from) {
  const __m512 values = _mm512_loadu_ps(from);
  const __m256i halves = _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_si256((__m256i*)to, halves);
}

/// The words of 64 outputs, four table indices each.
class LutWords {
 public:
  explicit LutWords(const std::uint8_t* words) {
    const __m512i even = _mm512_load_si512(lut_even_words.of), odd = _mm512_add_epi16(even, _mm512_set1_epi16(1));
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512i first = _mm512_loadu_si512(words + 128 * half), second = _mm512_loadu_si512(words + 128 * half + 64);
      pairs_[half][0] = _mm512_permutex2var_epi16(first, even, second);
      pairs_[half][1] = _mm512_permutex2var_epi16(first, odd, second);
    }
  }

  /// The entries that byte `index` selects of a table of 256: four permutations of 64 entries each, of which bits 6 and 7
  /// choose one.
  Halves entries(int index, const LutEntry* table) const {
    __m512i found[2];
    __m512i lines[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) lines[i] = _mm512_load_si512(table + i * 32);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512i pair = pairs_[half][index / 2];
      const __m512i at = index % 2 == 0 ? pair : _mm512_srli_epi16(pair, 8);
      const __mmask32 bit6 = _mm512_test_epi16_mask(at, _mm512_set1_epi16(0x40));
      const __mmask32 bit7 = _mm512_test_epi16_mask(at, _mm512_set1_epi16(0x80));
      __m512i quarter[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) quarter[i] = _mm512_permutex2var_epi16(lines[2 * i], at, lines[2 * i + 1]);
      const __m512i lower = _mm512_mask_mov_epi16(quarter[0], bit6, quarter[1]);
      const __m512i upper = _mm512_mask_mov_epi16(quarter[2], bit6, quarter[3]);
      found[half] = _mm512_mask_mov_epi16(lower, bit7, upper);
    }
    return halves_of(found[0], found[1]);
  }

 private:
  __m512i pairs_[2][2];  // of 32 outputs each: bytes 0 and 1, bytes 2 and 3
};

#elif defined(__AVX2__)

/// Eight outputs.
struct Halves {
  __m256 all;
};
constexpr std::size_t halves_width = 8;

static inline Halves splat_halves(float value) { return {_mm256_set1_ps(value)}; }

static inline __m256 round_to_half(__m256 x) {
  return _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline Halves load_halves(const std::uint8_t* values) {
  return {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)values))};
}
static inline Halves load_floats(const float* values) { return {_mm256_loadu_ps(values)}; }
static inline void store_floats(float* values, const Halves& x) { _mm256_storeu_ps(values, x.all); }

static inline Halves add(const Halves& a, const Halves& b) { return {round_to_half(_mm256_add_ps(a.all, b.all))}; }

static inline Halves multiply_add(const Halves& a, const Halves& b, const Halves& c) {
  const __m256 product = _mm256_mul_ps(a.all, b.all);  // 22 bits: exact
  const __m256 sum = _mm256_add_ps(product, c.all);
  const __m256 other = _mm256_sub_ps(sum, product);
  const __m256 error = _mm256_add_ps(_mm256_sub_ps(product, _mm256_sub_ps(sum, other)), _mm256_sub_ps(c.all, other));
  // An inexact even sum goes to its odd neighbour on the side of the error.
  const __m256i bits = _mm256_castps_si256(sum), one = _mm256_set1_epi32(1);
  const __m256i inexact = _mm256_castps_si256(_mm256_cmp_ps(error, _mm256_setzero_ps(), _CMP_NEQ_OQ));
  const __m256i even = _mm256_sub_epi32(_mm256_and_si256(bits, one), one);
  const __m256i away = _mm256_xor_si256(_mm256_castps_si256(error), bits);
  const __m256i step = _mm256_or_si256(_mm256_srai_epi32(away, 31), one);
  const __m256i odd = _mm256_add_epi32(bits, _mm256_and_si256(step, _mm256_and_si256(inexact, even)));
  return {round_to_half(_mm256_castsi256_ps(odd))};
}

typedef float LutEntry;

static inline float entry_value(LutEntry entry) { return entry; }

static inline void round_sixteen(float* values) {
  for (int i = 0; i < 16; i += 8) _mm256_storeu_ps(values + i, round_to_half(_mm256_loadu_ps(values + i)));
}

static inline void store_entries(LutEntry* to, const float* from) { __builtin_memcpy(to, from, 64); }

/// The words of eight outputs, four table indices each.
class LutWords {
 public:
  explicit LutWords(const std::uint8_t* words) : words_(_mm256_loadu_si256((const __m256i*)words)) {}

  Halves entries(int index, const LutEntry* table) const {
    const __m256i at = _mm256_and_si256(_mm256_srli_epi32(words_, 8 * index), _mm256_set1_epi32(255));
    return {_mm256_i32gather_ps(table, at, 4)};
  }

 private:
  __m256i words_;
};

#else

/// Eight outputs.
struct Halves {
  float of[8];
};
constexpr std::size_t halves_width = 8;

static inline Halves splat_halves(float value) {
  Halves out;
  for (float& each : out.of) each = value;
  return out;
}

static inline float round_to_half(float x) { return __builtin_copysignf(to_float16_value(x), x); }

static inline Halves load_halves(const std::uint8_t* values) {
  Halves out;
  for (std::size_t i = 0; i < halves_width; ++i) {
    const std::uint32_t bits = values[2 * i] | (std::uint32_t)values[2 * i + 1] << 8;
    // With the exponent moved to its place the value is 2^-112 of what it should be, subnormal or not.
    const std::uint32_t moved = (bits & 0x7fff) << 13;
    float magnitude;
    __builtin_memcpy(&magnitude, &moved, 4);
    magnitude *= 0x1p112f;
    out.of[i] = bits & 0x8000 ? -magnitude : magnitude;
  }
  return out;
}
static inline Halves load_floats(const float* values) {
  Halves out;
  __builtin_memcpy(out.of, values, sizeof out.of);
  return out;
}
static inline void store_floats(float* values, const Halves& x) { __builtin_memcpy(values, x.of, sizeof x.of); }

static inline Halves add(const Halves& a, const Halves& b) {
  Halves out;
  for (std::size_t i = 0; i < halves_width; ++i) out.of[i] = round_to_half(a.of[i] + b.of[i]);
  return out;
}

static inline float multiply_add(float a, float b, float c) {
  const float product = a * b;  // 22 bits: exact
  const float sum = product + c;
  const float other = sum - product;
  const float error = (product - (sum - other)) + (c - other);
  std::uint32_t bits;
  __builtin_memcpy(&bits, &sum, 4);
  // An inexact even sum goes to its odd neighbour on the side of the error.
  if ((error < 0 || error > 0) && (bits & 1) == 0) bits += (error > 0) == (sum > 0) ? 1u : ~0u;
  float odd;
  __builtin_memcpy(&odd, &bits, 4);
  return round_to_half(odd);
}

static inline Halves multiply_add(const Halves& a, const Halves& b, const Halves& c) {
  Halves out;
  for (std::size_t i = 0; i < halves_width; ++i) out.of[i] = multiply_add(a.of[i], b.of[i], c.of[i]);
  return out;
}

typedef float LutEntry;

static inline float entry_value(LutEntry entry) { return entry; }

static inline void round_sixteen(float* values) {
  for (int i = 0; i < 16; ++i) values[i] = round_to_half(values[i]);
}

static inline void store_entries(LutEntry* to, const float* from) { __builtin_memcpy(to, from, 64); }

/// The words of eight outputs, four table indices each.
class LutWords {
 public:
  explicit LutWords(const std::uint8_t* words) : words_(words) {}

  Halves entries(int index, const LutEntry* table) const {
    Halves out;
    for (std::size_t i = 0; i < halves_width; ++i) out.of[i] = table[words_[4 * i + (std::size_t)index]];
    return out;
  }

 private:
  const std::uint8_t* words_;
};

#endif
