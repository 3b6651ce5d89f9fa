// What this processor can do at best, for benchmarks to be held against: reading memory, and INT8 dot products.

/// Sums all bytes as 64-bit words: nothing but loads and as many additions.
static std::uint64_t read_memory(const std::uint8_t* bytes, std::size_t count) {
  typedef std::uint64_t Words __attribute__((vector_size(64)));
  Words sums[8]{};
  std::size_t i = 0;
  for (; i + 512 <= count; i += 512) {
    for (int j = 0; j < 8; ++j) {
      Words words;
      __builtin_memcpy(&words, bytes + i + 64 * j, 64);
      sums[j] += words;
    }
  }
  std::uint64_t total = 0;
  for (const Words& words : sums) {
    for (int j = 0; j < 8; ++j) total += words[j];
  }
  for (; i < count; ++i) total += bytes[i];
  return total;
}

#if defined(__AVX512VNNI__)

/// INT8 multiply-accumulates of one round of dot_products.
constexpr std::size_t dot_products_a_round = 12 * 64;

static std::int32_t dot_products(std::size_t rounds) {
  __m512i sums[12];
  for (int i = 0; i < 12; ++i) sums[i] = _mm512_set1_epi32(i);
  __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-5);
  for (std::size_t round = 0; round < rounds; ++round) {
    __asm__ volatile("" : "+v"(a), "+v"(b));  // keeps the loop from being computed once
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
  }
  for (int i = 1; i < 12; ++i) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
  return _mm512_reduce_add_epi32(sums[0]);
}

#elif defined(__AVX2__)

constexpr std::size_t dot_products_a_round = 8 * 32;

static std::int32_t dot_products(std::size_t rounds) {
  __m256i sums[8];
  for (int i = 0; i < 8; ++i) sums[i] = _mm256_set1_epi16((short)i);
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-5);
  for (std::size_t round = 0; round < rounds; ++round) {
    __asm__ volatile("" : "+x"(a), "+x"(b));
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) sums[i] = _mm256_add_epi16(sums[i], _mm256_maddubs_epi16(a, b));
  }
  for (int i = 1; i < 8; ++i) sums[0] = _mm256_add_epi16(sums[0], sums[i]);
  return _mm256_extract_epi16(sums[0], 0);
}

#else

constexpr std::size_t dot_products_a_round = 64;

static std::int32_t dot_products(std::size_t rounds) {
  std::int8_t a[64], b[64];
  for (int i = 0; i < 64; ++i) a[i] = (std::int8_t)(i % 7), b[i] = (std::int8_t)(i % 5);
  std::int32_t sum = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    __asm__ volatile("" : : "r"(a), "r"(b) : "memory");
    for (int i = 0; i < 64; ++i) sum += a[i] * b[i];
  }
  return sum;
}

#endif
