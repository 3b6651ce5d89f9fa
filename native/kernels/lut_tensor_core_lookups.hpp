// Lookups of 32 outputs in four lines of selectors: for each output the four bytes that its selectors pick, side by side in
// 32 bits, and their dot product with the weights of the planes. Outputs stand in an order that suits the instructions;
// lut_in_order brings 32 numbers into it and lut_out_of_order back.

constexpr int lut_vectors = 32 / lanes;

#if defined(__AVX512VBMI__) && defined(__AVX512VNNI__)

constexpr int lut_most_tokens = 4;

struct LutSelectors {
  __m512i of[2];  // even and odd outputs, four bytes each

  /// The tables of a step fill a register; `table_of_line` makes each line select from its own.
  LutSelectors(const std::uint8_t* codes, const std::size_t* offsets, std::uint32_t table_of_line, bool once) {
    const __m512i order = _mm512_set_epi8(
        63, 47, 31, 15, 62, 46, 30, 14, 61, 45, 29, 13, 60, 44, 28, 12, 59, 43, 27, 11, 58, 42, 26, 10, 57, 41, 25, 9, 56,
        40, 24, 8, 55, 39, 23, 7, 54, 38, 22, 6, 53, 37, 21, 5, 52, 36, 20, 4, 51, 35, 19, 3, 50, 34, 18, 2, 49, 33, 17, 1,
        48, 32, 16, 0);
    __m512i lines = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)(codes + offsets[0])));
    lines = _mm512_inserti32x4(lines, _mm_loadu_si128((const __m128i*)(codes + offsets[1])), 1);
    lines = _mm512_inserti32x4(lines, _mm_loadu_si128((const __m128i*)(codes + offsets[2])), 2);
    lines = _mm512_inserti32x4(lines, _mm_loadu_si128((const __m128i*)(codes + offsets[3])), 3);
    // Codes that are read once come from memory, and the processor's own prefetchers stop at pages.
    if (once) {
      _mm_prefetch((const char*)codes + 8192, _MM_HINT_T0);
    }
    const __m512i bytes = _mm512_permutexvar_epi8(order, lines);
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i table = _mm512_set1_epi32((int)table_of_line);
    constexpr int masked_or = 0xea;  // (bytes & nibble) | table
    of[0] = _mm512_ternarylogic_epi32(bytes, nibble, table, masked_or);
    of[1] = _mm512_ternarylogic_epi32(_mm512_srli_epi16(bytes, 4), nibble, table, masked_or);
  }

  void look_up(const std::int8_t* entries, I32* found) const {
    const __m512i tables = _mm512_loadu_si512(entries);
    for (int v = 0; v < 2; ++v) found[v] = (I32)_mm512_permutexvar_epi8(of[v], tables);
  }
};

static inline I32 lut_dot_signed(I32 sum, I32 found, I32 weights) {
  return (I32)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)weights, (__m512i)found);
}
static inline I32 lut_dot_unsigned(I32 sum, I32 found, I32 weights) {
  return (I32)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)found, (__m512i)weights);
}
static inline F32 lut_fused(F32 a, F32 b, F32 c) { return (F32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }

static inline void lut_in_order(const float* values, F32* out) {
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  const __m512 low = _mm512_loadu_ps(values), high = _mm512_loadu_ps(values + 16);
  out[0] = (F32)_mm512_permutex2var_ps(low, even, high);
  out[1] = (F32)_mm512_permutex2var_ps(low, odd, high);
}

static inline void lut_out_of_order(const F32* values, float* out) {
  const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  _mm512_storeu_ps(out, _mm512_permutex2var_ps((__m512)values[0], low, (__m512)values[1]));
  _mm512_storeu_ps(out + 16, _mm512_permutex2var_ps((__m512)values[0], high, (__m512)values[1]));
}

#elif defined(__AVX2__)

constexpr int lut_most_tokens = 2;

struct LutSelectors {
  __m256i of[4];  // one a line: its even outputs, then its odd ones
  std::uint32_t table_of_line;

  LutSelectors(const std::uint8_t* codes, const std::size_t* offsets, std::uint32_t tables, bool) : table_of_line(tables) {
    for (int line = 0; line < 4; ++line) {
      const __m128i bytes = _mm_loadu_si128((const __m128i*)(codes + offsets[line]));
      of[line] = _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes), _mm256_set1_epi8(15));
    }
  }

  void look_up(const std::int8_t* entries, I32* found) const {
    __m256i picked[4];
    for (int line = 0; line < 4; ++line) {
      const std::int8_t* table = entries + (table_of_line >> (8 * line) & 255);
      picked[line] = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)table)), of[line]);
    }
    const __m256i low[2] = {_mm256_unpacklo_epi8(picked[0], picked[1]), _mm256_unpacklo_epi8(picked[2], picked[3])};
    const __m256i high[2] = {_mm256_unpackhi_epi8(picked[0], picked[1]), _mm256_unpackhi_epi8(picked[2], picked[3])};
    found[0] = (I32)_mm256_unpacklo_epi16(low[0], low[1]);
    found[1] = (I32)_mm256_unpackhi_epi16(low[0], low[1]);
    found[2] = (I32)_mm256_unpacklo_epi16(high[0], high[1]);
    found[3] = (I32)_mm256_unpackhi_epi16(high[0], high[1]);
  }
};

/// Weights add up to 15 at most, so the sums of two products fit INT16.
static inline I32 lut_dot_signed(I32 sum, I32 found, I32 weights) {
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)weights, (__m256i)found);
  return sum + (I32)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
static inline I32 lut_dot_unsigned(I32 sum, I32 found, I32 weights) {
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)found, (__m256i)weights);
  return sum + (I32)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
static inline F32 lut_fused(F32 a, F32 b, F32 c) { return (F32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }

static inline void lut_in_order(const float* values, F32* out) {
  const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
  for (int v = 0; v < 4; ++v) out[v] = (F32)_mm256_permutevar8x32_ps(_mm256_loadu_ps(values + 8 * v), order);
}

static inline void lut_out_of_order(const F32* values, float* out) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (int v = 0; v < 4; ++v) _mm256_storeu_ps(out + 8 * v, _mm256_permutevar8x32_ps((__m256)values[v], order));
}

#else

constexpr int lut_most_tokens = 2;

struct LutSelectors {
  std::uint8_t of[32][4];  // with the table of the line

  LutSelectors(const std::uint8_t* codes, const std::size_t* offsets, std::uint32_t table_of_line, bool) {
    for (int line = 0; line < 4; ++line) {
      const std::uint8_t table = (std::uint8_t)(table_of_line >> (8 * line));
      for (int pair = 0; pair < 16; ++pair) {
        const std::uint8_t byte = codes[offsets[line] + pair];
        of[2 * pair][line] = (std::uint8_t)(table | (byte & 15));
        of[2 * pair + 1][line] = (std::uint8_t)(table | (byte >> 4));
      }
    }
  }

  void look_up(const std::int8_t* entries, I32* found) const {
    for (int output = 0; output < 32; ++output) {
      for (int line = 0; line < 4; ++line) ((std::int8_t*)found)[4 * output + line] = entries[of[output][line]];
    }
  }
};

static inline I32 lut_dot_signed(I32 sum, I32 found, I32 weights) {
  for (int line = 0; line < 4; ++line) sum += (found << (24 - 8 * line) >> 24) * (weights >> (8 * line) & 255);
  return sum;
}
static inline I32 lut_dot_unsigned(I32 sum, I32 found, I32 weights) {
  for (int line = 0; line < 4; ++line) sum += (found >> (8 * line) & 255) * (weights >> (8 * line) & 255);
  return sum;
}
static inline F32 lut_fused(F32 a, F32 b, F32 c) {
  for (int lane = 0; lane < lanes; ++lane) c[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
  return c;
}

static inline void lut_in_order(const float* values, F32* out) { __builtin_memcpy(out, values, 32 * sizeof(float)); }
static inline void lut_out_of_order(const F32* values, float* out) { __builtin_memcpy(out, values, 32 * sizeof(float)); }

#endif
