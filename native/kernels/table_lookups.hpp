// The sums of 32 outputs over some steps of four positions, for several tokens at once, added to `sums` [tokens][stride].
// `rows` is [tokens][steps][4][16]: the table row that each position's input picked. Entries are unsigned bytes.

#if defined(__AVX512VBMI__) && defined(__AVX512VNNI__)

constexpr int table_most_tokens = 8;

template <int tokens>
static void table_lookups(const std::uint8_t* ids, const std::uint8_t* rows, std::size_t steps, std::int32_t* sums,
                          std::size_t stride) {
  // Ids of an output at four positions side by side, so that one instruction widens and adds what they find.
  const __m512i order = _mm512_set_epi8(
      63, 47, 31, 15, 62, 46, 30, 14, 61, 45, 29, 13, 60, 44, 28, 12, 59, 43, 27, 11, 58, 42, 26, 10, 57, 41, 25, 9, 56, 40,
      24, 8, 55, 39, 23, 7, 54, 38, 22, 6, 53, 37, 21, 5, 52, 36, 20, 4, 51, 35, 19, 3, 50, 34, 18, 2, 49, 33, 17, 1, 48,
      32, 16, 0);
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i row = _mm512_set1_epi32(0x30201000);
  const __m512i ones = _mm512_set1_epi8(1);
  constexpr int masked_or = 0xea;  // (ids & nibble) | row
  __m512i found[tokens][2];
#pragma GCC unroll 8
  for (int t = 0; t < tokens; ++t) found[t][0] = found[t][1] = _mm512_setzero_si512();
  for (std::size_t step = 0; step < steps; ++step) {
    if (tokens == 1) _mm_prefetch((const char*)ids + step * 64 + prefetch_bytes, _MM_HINT_T0);
    const __m512i bytes = _mm512_permutexvar_epi8(order, _mm512_loadu_si512(ids + step * 64));
    const __m512i low = _mm512_ternarylogic_epi32(bytes, nibble, row, masked_or);
    const __m512i high = _mm512_ternarylogic_epi32(_mm512_srli_epi16(bytes, 4), nibble, row, masked_or);
#pragma GCC unroll 8
    for (int t = 0; t < tokens; ++t) {
      const __m512i four = _mm512_loadu_si512(rows + (t * steps + step) * 64);
      found[t][0] = _mm512_dpbusd_epi32(found[t][0], _mm512_permutexvar_epi8(low, four), ones);
      found[t][1] = _mm512_dpbusd_epi32(found[t][1], _mm512_permutexvar_epi8(high, four), ones);
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < tokens; ++t) {
    for (int half = 0; half < 2; ++half) {
      std::int32_t* to = sums + t * stride + half * 16;
      _mm512_storeu_si512(to, _mm512_add_epi32(_mm512_loadu_si512(to), found[t][half]));
    }
  }
}

#elif defined(__AVX2__)

constexpr int table_most_tokens = 4;

template <int tokens>
static void table_lookups(const std::uint8_t* ids, const std::uint8_t* rows, std::size_t steps, std::int32_t* sums,
                          std::size_t stride) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi8(1);
  constexpr std::size_t most = 64;  // steps: two sums of two entries each stay below 2^16
  for (std::size_t from = 0; from < steps; from += most) {
    const std::size_t until = steps - from < most ? steps : from + most;
    // [token][0]: outputs 0–7 and 16–23, [1]: outputs 8–15 and 24–31
    __m256i found[tokens][2];
#pragma GCC unroll 4
    for (int t = 0; t < tokens; ++t) found[t][0] = found[t][1] = _mm256_setzero_si256();
    for (std::size_t step = from; step < until; ++step) {
#pragma GCC unroll 2
      for (int pair = 0; pair < 2; ++pair) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i*)(ids + step * 64 + pair * 32));
        const __m256i low = _mm256_and_si256(bytes, nibble);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble);
        const __m256i even = _mm256_permute2x128_si256(low, high, 0x20);
        const __m256i odd = _mm256_permute2x128_si256(low, high, 0x31);
#pragma GCC unroll 4
        for (int t = 0; t < tokens; ++t) {
          const __m128i* two = (const __m128i*)(rows + (t * steps + step) * 64 + pair * 32);
          const __m256i a = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(two)), even);
          const __m256i b = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(two + 1)), odd);
          found[t][0] = _mm256_add_epi16(found[t][0], _mm256_maddubs_epi16(_mm256_unpacklo_epi8(a, b), ones));
          found[t][1] = _mm256_add_epi16(found[t][1], _mm256_maddubs_epi16(_mm256_unpackhi_epi8(a, b), ones));
        }
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < tokens; ++t) {
      for (int eight = 0; eight < 4; ++eight) {
        const __m256i words = found[t][eight % 2];
        const __m128i half = eight < 2 ? _mm256_castsi256_si128(words) : _mm256_extracti128_si256(words, 1);
        __m256i* to = (__m256i*)(sums + t * stride + eight * 8);
        _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), _mm256_cvtepu16_epi32(half)));
      }
    }
  }
}

#else

constexpr int table_most_tokens = 1;

template <int tokens>
static void table_lookups(const std::uint8_t* ids, const std::uint8_t* rows, std::size_t steps, std::int32_t* sums,
                          std::size_t) {
  std::int32_t found[32]{};
  for (std::size_t position = 0; position < 4 * steps; ++position) {
    const std::uint8_t* row = rows + position * 16;
    const std::uint8_t* bytes = ids + position * 16;
    for (int output = 0; output < 16; ++output) {
      found[output] += row[bytes[output] & 15];
      found[output + 16] += row[bytes[output] >> 4];
    }
  }
  for (int output = 0; output < 32; ++output) sums[output] += found[output];
}

#endif

/// The same with ids of a byte, of one position a step, for one token; rows are 256 bytes apart.
static void table_lookups_wide(const std::uint8_t* ids, const std::uint8_t* rows, std::size_t steps, std::int32_t* sums) {
  std::int32_t found[32]{};
  for (std::size_t step = 0; step < steps; ++step) {
    for (int output = 0; output < 32; ++output) found[output] += rows[step * 256 + ids[step * 32 + output]];
  }
  for (int output = 0; output < 32; ++output) sums[output] += found[output];
}
