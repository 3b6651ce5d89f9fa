// The lookups of 32 expanded rows in one chunk, for several tokens at once: integer sums over an activation group, then
// float32 with the fused multiply-adds of T-MAC's AVX2 code. `sums` is [tokens][stride].

#if defined(__AVX512VBMI__) && defined(__AVX512VNNI__)

constexpr int t_mac_most_tokens = 4;

/// How far ahead one token's codes are fetched: they come from memory, and the processor's own prefetchers stop at pages.
constexpr int prefetch_bytes = 8192;

/// 16 rows as bytes: four indices of each row side by side.
struct Indices {
  __m512i rows[2];  // 0–15 and 16–31

  /// Four table indices of 32 rows. The tables of four indices fill one register, so the second index selects from its
  /// entries 16 on, the third from 32 on.
  explicit Indices(const std::uint8_t* codes) {
    const __m512i order = _mm512_set_epi8(
        63, 47, 31, 15, 62, 46, 30, 14, 61, 45, 29, 13, 60, 44, 28, 12, 59, 43, 27, 11, 58, 42, 26, 10, 57, 41, 25, 9, 56,
        40, 24, 8, 55, 39, 23, 7, 54, 38, 22, 6, 53, 37, 21, 5, 52, 36, 20, 4, 51, 35, 19, 3, 50, 34, 18, 2, 49, 33, 17, 1,
        48, 32, 16, 0);
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i table = _mm512_set1_epi32(0x30201000);
    const __m512i bytes = _mm512_permutexvar_epi8(order, _mm512_loadu_si512(codes));
    constexpr int masked_or = 0xea;  // (bytes & nibble) | table
    rows[0] = _mm512_ternarylogic_epi32(bytes, nibble, table, masked_or);
    rows[1] = _mm512_ternarylogic_epi32(_mm512_srli_epi16(bytes, 4), nibble, table, masked_or);
  }
};

static inline __m512 sixteen(const float* low, const float* high) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high), 1);
}

template <int tokens, int indices, int groups>
static inline void t_mac_lookups(const TMacRows& rows, const std::uint8_t* codes, const float* scales, bool zeros,
                                 const TMacChunk<tokens>& inputs, float* sums, std::size_t stride) {
  const __mmask16 first_plane[2] = {
      (__mmask16)((rows.first_plane[0] ? 0x00ff : 0) | (rows.first_plane[1] ? 0xff00 : 0)),
      (__mmask16)((rows.first_plane[2] ? 0x00ff : 0) | (rows.first_plane[3] ? 0xff00 : 0)),
  };
  __m512 terms[tokens][2];
#pragma GCC unroll 2
  for (int group = 0; group < groups; ++group) {
    __m512i counts[tokens][2];
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) counts[t][0] = counts[t][1] = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int index = group * indices; index < (group + 1) * indices; index += 4) {
      if (tokens == 1) _mm_prefetch((const char*)codes + index * 16 + prefetch_bytes, _MM_HINT_T0);
      const Indices four(codes + index * 16);
#pragma GCC unroll 8
      for (int t = 0; t < tokens; ++t) {
        const __m512i tables = _mm512_loadu_si512(inputs.entries[t] + index * 16);
        for (int half = 0; half < 2; ++half) {
          const __m512i found = _mm512_permutexvar_epi8(four.rows[half], tables);
          counts[t][half] = _mm512_dpbusd_epi32(counts[t][half], _mm512_set1_epi8(1), found);
        }
      }
    }
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      const __m512 scale = _mm512_set1_ps(inputs.scales[t][group]);
      for (int half = 0; half < 2; ++half) {
        // Adding −0 leaves a product as it is: the other planes have no bias.
        const __m512 bias = _mm512_mask_mov_ps(_mm512_set1_ps(-0.0f), first_plane[half],
                                               _mm512_set1_ps(inputs.biases[t][group]));
        const __m512 scaled = _mm512_fmadd_ps(_mm512_cvtepi32_ps(counts[t][half]), scale, bias);
        terms[t][half] = group == 0 ? scaled : _mm512_add_ps(terms[t][half], scaled);
      }
    }
  }
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const __m512 scale = sixteen(scales + rows.scales[2 * half], scales + rows.scales[2 * half + 1]);
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      float* sum = sums + t * stride + half * 16;
      _mm512_storeu_ps(sum, _mm512_fmadd_ps(terms[t][half], scale, _mm512_loadu_ps(sum)));
    }
  }
  for (int eight = 0; eight < 4; ++eight) {
    if (!zeros || !rows.first_plane[eight]) continue;
    const __m256 zero = _mm256_loadu_ps(scales + rows.scales[eight] + 8);
    for (int t = 0; t < tokens; ++t) {
      float* sum = sums + t * stride + eight * 8;
      _mm256_storeu_ps(sum, _mm256_fmadd_ps(zero, _mm256_set1_ps(inputs.twice_bias[t]), _mm256_loadu_ps(sum)));
    }
  }
}

#elif defined(__AVX2__)

constexpr int t_mac_most_tokens = 2;

template <int tokens, int indices, int groups>
static inline void t_mac_lookups(const TMacRows& rows, const std::uint8_t* codes, const float* scales, bool zeros,
                                 const TMacChunk<tokens>& inputs, float* sums, std::size_t stride) {
  __m256 terms[tokens][4];
  for (int group = 0; group < groups; ++group) {
    // [token][0]: rows 0–7 and 16–23, [1]: rows 8–15 and 24–31
    __m256i counts[tokens][2];
#pragma GCC unroll 2
    for (int t = 0; t < tokens; ++t) counts[t][0] = counts[t][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int index = group * indices; index < (group + 1) * indices; index += 2) {
      // Rows 0–15 take the low nibbles, rows 16–31 the high ones.
      const __m256i bytes = _mm256_loadu_si256((const __m256i*)(codes + index * 16));
      const __m256i low = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
      const __m256i even = _mm256_permute2x128_si256(low, high, 0x20);
      const __m256i odd = _mm256_permute2x128_si256(low, high, 0x31);
#pragma GCC unroll 2
      for (int t = 0; t < tokens; ++t) {
        const __m128i* tables = (const __m128i*)(inputs.entries[t] + index * 16);
        const __m256i a = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(tables)), even);
        const __m256i b = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(tables + 1)), odd);
        const __m256i ones = _mm256_set1_epi8(1);
        counts[t][0] = _mm256_add_epi16(counts[t][0], _mm256_maddubs_epi16(ones, _mm256_unpacklo_epi8(a, b)));
        counts[t][1] = _mm256_add_epi16(counts[t][1], _mm256_maddubs_epi16(ones, _mm256_unpackhi_epi8(a, b)));
      }
    }
#pragma GCC unroll 2
    for (int t = 0; t < tokens; ++t) {
      const __m256 scale = _mm256_set1_ps(inputs.scales[t][group]);
      for (int eight = 0; eight < 4; ++eight) {
        const __m256i words = counts[t][eight % 2];
        const __m128i half = eight < 2 ? _mm256_castsi256_si128(words) : _mm256_extracti128_si256(words, 1);
        const __m256 count = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(half));
        const __m256 scaled = rows.first_plane[eight]
                                  ? _mm256_fmadd_ps(count, scale, _mm256_set1_ps(inputs.biases[t][group]))
                                  : _mm256_mul_ps(count, scale);
        terms[t][eight] = group == 0 ? scaled : _mm256_add_ps(terms[t][eight], scaled);
      }
    }
  }
  for (int eight = 0; eight < 4; ++eight) {
    const __m256 scale = _mm256_loadu_ps(scales + rows.scales[eight]);
    for (int t = 0; t < tokens; ++t) {
      float* sum = sums + t * stride + eight * 8;
      __m256 value = _mm256_fmadd_ps(terms[t][eight], scale, _mm256_loadu_ps(sum));
      if (zeros && rows.first_plane[eight]) {
        value = _mm256_fmadd_ps(_mm256_loadu_ps(scales + rows.scales[eight] + 8), _mm256_set1_ps(inputs.twice_bias[t]), value);
      }
      _mm256_storeu_ps(sum, value);
    }
  }
}

#else

constexpr int t_mac_most_tokens = 2;

template <int tokens, int indices, int groups>
static inline void t_mac_lookups(const TMacRows& rows, const std::uint8_t* codes, const float* scales, bool zeros,
                                 const TMacChunk<tokens>& inputs, float* sums, std::size_t stride) {
  for (int t = 0; t < tokens; ++t) {
    float terms[32];
    for (int group = 0; group < groups; ++group) {
      std::int16_t counts[32]{};
      for (int index = group * indices; index < (group + 1) * indices; ++index) {
        const std::int8_t* table = inputs.entries[t] + index * 16;
        for (int row = 0; row < 16; ++row) {
          const std::uint8_t code = codes[index * 16 + row];
          counts[row] = (std::int16_t)(counts[row] + table[code & 15]);
          counts[row + 16] = (std::int16_t)(counts[row + 16] + table[code >> 4]);
        }
      }
      for (int row = 0; row < 32; ++row) {
        const float scale = inputs.scales[t][group];
        const float scaled = rows.first_plane[row / 8] ? __builtin_fmaf(counts[row], scale, inputs.biases[t][group])
                                                       : (float)counts[row] * scale;
        terms[row] = group == 0 ? scaled : terms[row] + scaled;
      }
    }
    float* sum = sums + (std::size_t)t * stride;
    for (int row = 0; row < 32; ++row) {
      const float* scale = scales + rows.scales[row / 8] + row % 8;
      sum[row] = __builtin_fmaf(terms[row], *scale, sum[row]);
      if (zeros && rows.first_plane[row / 8]) sum[row] = __builtin_fmaf(scale[8], inputs.twice_bias[t], sum[row]);
    }
  }
}

#endif
