// TeLLMe's products as exact integers. The reference, which does the table lookups, is src/targets/tellme/arithmetic.ts;
// INT32 sums are the same in any order, so here trits are decoded and multiplied.

constexpr int tellme_word_bytes = 18;
constexpr int tellme_word_inputs = 84;

/// Trits of output `row` for all inputs, padding included: `out` holds ⌈K / 84⌉ · 84.
static void tellme_decode(const std::uint8_t* words, std::size_t row, std::size_t rows, std::size_t word_count,
                          bool least_first, std::int8_t* out) {
  for (std::size_t word = 0; word < word_count; ++word) {
    const std::uint8_t* bytes = words + (word * rows + row) * tellme_word_bytes;
    for (int t = 0; t < 28; ++t) {
      const int bit = 5 * t;
      int index = ((bytes[bit >> 3] | bytes[(bit >> 3) + 1] << 8) >> (bit & 7)) & 31;
      if (index > 26) index = 26;
      const std::int8_t digits[3] = {(std::int8_t)(index % 3 - 1), (std::int8_t)(index / 3 % 3 - 1),
                                     (std::int8_t)(index / 9 - 1)};
      std::int8_t* to = out + word * tellme_word_inputs + 3 * t;
      to[0] = digits[least_first ? 0 : 2];
      to[1] = digits[1];
      to[2] = digits[least_first ? 2 : 0];
    }
  }
}

static std::int32_t tellme_dot(const std::int8_t* a, const std::int8_t* b, std::size_t count) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

/// Sums [tokens][rows] of the rows [first, last).
static void tellme_sums(const std::int8_t* codes, std::size_t tokens, std::size_t rows, std::size_t columns,
                        bool least_first, const std::uint8_t* words, std::size_t first, std::size_t last,
                        std::int32_t* sums) {
  const std::size_t word_count = (columns + tellme_word_inputs - 1) / tellme_word_inputs;
  auto* trits = (std::int8_t*)allocate(word_count * tellme_word_inputs);
  for (std::size_t row = first; row < last; ++row) {
    tellme_decode(words, row, rows, word_count, least_first, trits);
    for (std::size_t token = 0; token < tokens; ++token) {
      sums[token * rows + row] = tellme_dot(codes + token * columns, trits, columns);
    }
  }
  release(trits);
}
