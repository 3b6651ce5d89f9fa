// LUT-GEMM products on one thread. The reference, with the source of each step, is src/targets/lut-gemm/arithmetic.ts.

#include "lut_gemm_halves.hpp"

/// Sixteen table entries; inputs 0–3 differ within them.
typedef float LutLine __attribute__((vector_size(64)));
typedef std::int32_t LutLineBits __attribute__((vector_size(64)));

/// The sign bit that input j has in each of 16 entries: set where bit j of the entry's number is not.
struct LutSigns {
  alignas(64) std::uint32_t of_input[4][16];

  constexpr LutSigns() : of_input{} {
    for (int j = 0; j < 4; ++j) {
      for (int entry = 0; entry < 16; ++entry) of_input[j][entry] = entry >> j & 1 ? 0 : 0x80000000u;
    }
  }
};

static constexpr LutSigns lut_signs{};

/// Input j with its sign in the entries 16 · line … 16 · line + 15. Taking 0 off keeps the sign of a zero.
static inline LutLine lut_signed_input(float x, int j, int line) {
  if (j >= 4) return (line >> (j - 4) & 1 ? x : -x) - LutLine{};
  return (LutLine)((LutLineBits)(x - LutLine{}) ^ *(const LutLineBits*)lut_signs.of_input[j]);
}

static inline LutLine lut_round(LutLine x) {
  float values[16];
  __builtin_memcpy(values, &x, 64);
  round_sixteen(values);
  __builtin_memcpy(&x, values, 64);
  return x;
}

/// The 256 signed sums of eight float16 inputs: the first 2^direct one by one, each further half by doubling.
static void lut_gemm_table(const float* x, int direct, LutEntry* entries) {
  LutLine lines[16];
  for (int line = 0; line < 1 << (direct - 4); ++line) {
    LutLine sum = lut_signed_input(x[0], 0, line);
    for (int j = 1; j < 8; ++j) sum = lut_round(sum + lut_signed_input(x[j], j, line));
    lines[line] = sum;
  }
  for (int bit = direct; bit < 8; ++bit) {
    const int half = 1 << (bit - 4);
    for (int line = 0; line < half; ++line) lines[half + line] = lut_round(lines[line] + 2 * x[bit]);
  }
  for (int line = 0; line < 16; ++line) store_entries(entries + 16 * line, (const float*)&lines[line]);
}

/// The tables of the inputs [first, last) of one token.
static void lut_gemm_tables(const float* x, std::size_t first, std::size_t last, std::size_t k_tile, void* tables) {
  const int direct = k_tile == 32 ? 6 : 5;
  for (std::size_t i = first; i < last; i += 16) {
    float halves[16];
    __builtin_memcpy(halves, x + i, sizeof halves);
    round_sixteen(halves);
    for (std::size_t j = 0; j < 16; j += 8) {
      lut_gemm_table(halves + j, direct, (LutEntry*)tables + (i + j) / 8 * 256);
    }
  }
}

/// What a tile of K holds for `halves_width` outputs on.
struct LutGemmTile {
  const std::uint8_t* words;  // [k_tile / 32 · planes][stride]
  const std::uint8_t* alpha;  // [planes][stride]
  const std::uint8_t* bias;   // or null
  std::size_t planes, stride;
  std::size_t ahead;  // bytes to words that are wanted soon, or 0
};

/// Adds a tile to the outputs y of `halves_width` rows.
template <int tables_a_tile>
static inline void lut_gemm_add(const LutGemmTile& tile, const LutEntry* tables, float input_sum, float* y) {
  Halves sum = splat_halves(0);
  if (tile.bias) sum = multiply_add(load_halves(tile.bias), splat_halves(input_sum), sum);
  for (std::size_t plane = 0; plane < tile.planes; ++plane) {
    Halves found = splat_halves(0);
#pragma GCC unroll 2
    for (int word = 0; word < tables_a_tile / 4; ++word) {
      const std::uint8_t* at = tile.words + ((std::size_t)word * tile.planes + plane) * tile.stride * 4;
      if (tile.ahead) {
        for (std::size_t line = 0; line < halves_width * 4; line += 64) __builtin_prefetch(at + tile.ahead + line);
      }
      const LutWords words(at);
#pragma GCC unroll 4
      for (int byte = 0; byte < 4; ++byte) found = add(found, words.entries(byte, tables + (word * 4 + byte) * 256));
    }
    sum = multiply_add(load_halves(tile.alpha + plane * tile.stride * 2), found, sum);
  }
  store_floats(y, add(load_floats(y), sum));
}

/// The last outputs, fewer than a register holds, side by side with zeros.
template <int tables_a_tile>
static void lut_gemm_add_rest(const LutGemmTile& tile, std::size_t count, const LutEntry* tables, float input_sum,
                              float* y) {
  constexpr std::size_t most_planes = 16;
  std::uint8_t words[2 * most_planes * halves_width * 4]{}, alpha[most_planes * halves_width * 2]{};
  std::uint8_t bias[halves_width * 2]{};
  for (std::size_t row = 0; row < tables_a_tile / 4 * tile.planes; ++row) {
    __builtin_memcpy(words + row * halves_width * 4, tile.words + row * tile.stride * 4, count * 4);
  }
  for (std::size_t plane = 0; plane < tile.planes; ++plane) {
    __builtin_memcpy(alpha + plane * halves_width * 2, tile.alpha + plane * tile.stride * 2, count * 2);
  }
  if (tile.bias) __builtin_memcpy(bias, tile.bias, count * 2);
  float outputs[halves_width]{};
  __builtin_memcpy(outputs, y, count * 4);
  lut_gemm_add<tables_a_tile>({words, alpha, tile.bias ? bias : nullptr, tile.planes, halves_width, 0}, tables, input_sum,
                              outputs);
  __builtin_memcpy(y, outputs, count * 4);
}

/// The sum of a tile's inputs: the last entries of its tables.
template <int tables_a_tile>
static inline float lut_gemm_input_sum(const LutEntry* tables) {
  float sums[16]{};
  for (int table = 0; table < tables_a_tile; ++table) {
    sums[0] += entry_value(tables[table * 256 + 255]);
    round_sixteen(sums);
  }
  return sums[0];
}

template <int tables_a_tile>
static void lut_gemm_tiles(const LutGemm& w, const LutEntry* tables, std::size_t tokens, std::size_t first,
                           std::size_t last, float* out) {
  constexpr std::size_t k_tile = tables_a_tile * 8;
  for (std::size_t token = 0; token < tokens; ++token) {
    for (std::size_t row = first; row < last; ++row) out[token * w.rows + row] = 0;
  }
  for (std::size_t k = 0; k < w.columns; k += k_tile) {
    const std::size_t group = k / w.group;
    // A single token's words come from memory, in runs too short for the processor to look ahead: the next tile's.
    const std::size_t ahead = tokens == 1 && k + k_tile < w.columns ? k_tile / 32 * w.planes * w.rows * 4 : 0;
    for (std::size_t token = 0; token < tokens; ++token) {
      const LutEntry* of_tile =
          (const LutEntry*)((const char*)tables + token * w.columns * lut_gemm_table_bytes) + k / 8 * 256;
      const float input_sum = w.bias ? lut_gemm_input_sum<tables_a_tile>(of_tile) : 0;
      for (std::size_t row = first; row < last; row += halves_width) {
        const LutGemmTile tile{w.words + (k / 32 * w.planes * w.rows + row) * 4,
                               w.alpha + (group * w.planes * w.rows + row) * 2,
                               w.bias ? w.bias + (group * w.rows + row) * 2 : nullptr, w.planes, w.rows, ahead};
        float* y = out + token * w.rows + row;
        if (last - row >= halves_width) {
          lut_gemm_add<tables_a_tile>(tile, of_tile, input_sum, y);
        } else {
          lut_gemm_add_rest<tables_a_tile>(tile, last - row, of_tile, input_sum, y);
        }
      }
    }
  }
}

/// Outputs [tokens][N] of the rows [first, last); K tiles are added in ascending order.
static void lut_gemm_multiply(const LutGemm& weight, const void* tables, std::size_t tokens, std::size_t first,
                              std::size_t last, float* out) {
  if (weight.k_tile == 32) {
    lut_gemm_tiles<4>(weight, (const LutEntry*)tables, tokens, first, last, out);
  } else {
    lut_gemm_tiles<8>(weight, (const LutEntry*)tables, tokens, first, last, out);
  }
}
