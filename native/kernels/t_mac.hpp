// T-MAC products on one thread. The reference, with the source of each step, is src/targets/t-mac/arithmetic.ts. The
// lookups of 32 rows, which depend on the instruction set, are in t_mac_lookups.hpp.

typedef float Entries __attribute__((vector_size(64)));
typedef std::int32_t EntryBits __attribute__((vector_size(64)));
typedef std::int8_t EntryCodes __attribute__((vector_size(16)));

/// The sign bit that input j has in each of the 16 entries: set where bit j of the entry's number is not.
struct EntrySigns {
  alignas(64) std::uint32_t of_input[4][16];

  constexpr EntrySigns() : of_input{} {
    for (int j = 0; j < 4; ++j) {
      for (int entry = 0; entry < 16; ++entry) of_input[j][entry] = entry >> j & 1 ? 0 : 0x80000000u;
    }
  }
};

static constexpr EntrySigns entry_signs{};

static inline Entries signed_input(float x, int j) {
  return (Entries)((EntryBits)(Entries{} + x) ^ *(const EntryBits*)entry_signs.of_input[j]);
}

/// The largest Σ|x| of four neighbours.
static inline float largest_absolute_sum(const float* x, std::size_t count) {
  float largest = 0;
  for (std::size_t i = 0; i < count; i += 4) {
    const float sum = (__builtin_fabsf(x[i]) + __builtin_fabsf(x[i + 1])) + (__builtin_fabsf(x[i + 2]) + __builtin_fabsf(x[i + 3]));
    largest = sum > largest ? sum : largest;
  }
  return largest;
}

/// −Σx of 32 inputs, in the order of the source: per four, then halves, pairs and neighbours of the eight sums.
static inline float negative_sum(const float* x) {
  float sums[8];
  for (int i = 0; i < 8; ++i) sums[i] = -(((x[4 * i] + x[4 * i + 1]) + x[4 * i + 2]) + x[4 * i + 3]);
  for (int i = 0; i < 4; ++i) sums[i] += sums[i + 4];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/// Tables of one token: entries [K / 4][16], scales and biases [K / activation_group].
static void t_mac_tables(const float* x, std::size_t columns, std::size_t activation_group, const TMacTables& tables) {
  std::int8_t* codes = tables.entries;
  for (std::size_t group = 0; group < columns / activation_group; ++group, x += activation_group) {
    const float scale = largest_absolute_sum(x, activation_group) / 127.0f;
    const float unit = scale != 0 ? 1.0f / scale : 0.0f;
    // The reciprocal of a subnormal scale can be infinite: x86 converts every product, ±∞ or NaN, to −128.
    const bool overflows = unit > 3.4028235e38f;
    for (std::size_t i = 0; i < activation_group; i += 4, codes += 16) {
      Entries sums = signed_input(x[i], 0);
      for (int j = 1; j < 4; ++j) sums += signed_input(x[i + j], j);
      const Entries magic = Entries{} + 12582912.0f;  // 1.5 · 2^23: the addition rounds half to even
      const Entries rounded = overflows ? Entries{} - 128.0f : (sums * unit + magic) - magic;
      const EntryCodes bytes = __builtin_convertvector(__builtin_convertvector(rounded, EntryBits), EntryCodes);
      __builtin_memcpy(codes, &bytes, 16);
    }
    float bias = 0;
    for (std::size_t i = 0; i < activation_group; i += 32) bias += negative_sum(x + i);
    tables.scales[group] = scale;
    tables.biases[group] = bias;
  }
}

/// 32 expanded rows of a tile, four times eight.
struct TMacRows {
  std::size_t scales[4];  // where their scales lie among those of the tile and weight group; zeros are eight further
  bool first_plane[4];    // whether they are of bit plane 0

  TMacRows() = default;
  TMacRows(const TMac& pass, std::size_t block_in_tile) {
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t eight = block_in_tile * 4 + i;
      scales[i] = pass.one_scale ? 0 : eight / pass.bits * (pass.has_zeros ? 16 : 8);
      first_plane[i] = eight % pass.bits == 0;
    }
  }
};

/// What `tokens` tokens bring to a chunk of k_factor indices.
template <int tokens>
struct TMacChunk {
  const std::int8_t* entries[tokens];  // [k_factor][16]
  const float* scales[tokens];         // one an activation group of the chunk
  const float* biases[tokens];
  float twice_bias[tokens];  // of the whole chunk
};

#include "t_mac_lookups.hpp"

typedef float Eight __attribute__((vector_size(32)));

static inline Eight eight_at(const float* x) {
  Eight out;
  __builtin_memcpy(&out, x, sizeof out);
  return out;
}

/// y = ½C₀ + C₁ + 2C₂ + 4C₃ for the outputs of `eights` times eight accumulators a plane.
static inline void t_mac_join(const float* sums, std::size_t bits, std::size_t eights, bool add, float* y) {
  for (std::size_t eight = 0; eight < eights; ++eight, sums += 8 * bits, y += 8) {
    Eight value = eight_at(sums) * 0.5f;
    for (std::size_t bit = 1; bit < bits; ++bit) value += eight_at(sums + 8 * bit) * (float)(1 << (bit - 1));
    if (add) value = eight_at(y) + value;
    __builtin_memcpy(y, &value, sizeof value);
  }
}

/// Room for the accumulators of this many blocks of 32 rows; a multiple of three, as three-bit outputs span three.
constexpr std::size_t t_mac_most_blocks = 36;

/// The outputs of `count` blocks of one tile for `tokens` tokens side by side. A chunk of k_factor indices has `groups`
/// activation groups of `indices`. Weights are read in the order of the file, accumulators stay in the first cache.
template <int tokens, int indices, int groups>
static void t_mac_blocks(const TMac& pass, const TMacTables& tables, std::size_t first, std::size_t count, bool add,
                         float* out) {
  constexpr std::size_t k_factor = indices * groups;
  const std::size_t chunks = pass.columns / 4 / k_factor;
  const std::size_t tile_blocks = pass.tile_rows / 32;
  const std::size_t tile = first / tile_blocks;
  const std::size_t first_in_tile = first % tile_blocks;
  const std::size_t group_scales = pass.tile_rows / pass.bits * (pass.has_zeros ? 2 : 1);
  TMacRows rows[t_mac_most_blocks];
  for (std::size_t block = 0; block < count; ++block) rows[block] = TMacRows(pass, first_in_tile + block);
  float one_scale[8];
  for (float& scale : one_scale) scale = pass.scales[0];
  alignas(64) float sums[tokens * t_mac_most_blocks * 32];
  for (std::size_t i = 0; i < tokens * count * 32; ++i) sums[i] = 0;

  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    TMacChunk<tokens> inputs;
    for (int t = 0; t < tokens; ++t) {
      const std::size_t group = (std::size_t)t * (pass.columns / pass.activation_group) + chunk * groups;
      inputs.entries[t] = tables.entries + ((std::size_t)t * (pass.columns / 4) + chunk * k_factor) * 16;
      inputs.scales[t] = tables.scales + group;
      inputs.biases[t] = tables.biases + group;
      float bias = inputs.biases[t][0];
      for (int g = 1; g < groups; ++g) bias += inputs.biases[t][g];
      inputs.twice_bias[t] = 2 * bias;
    }
    const std::size_t group = tile * (pass.columns / pass.group) + chunk * k_factor * 4 / pass.group;
    const float* scales = pass.one_scale ? one_scale : pass.scales + group * group_scales;
    const std::uint8_t* codes = pass.weight + ((tile * chunks + chunk) * tile_blocks + first_in_tile) * k_factor * 16;
    for (std::size_t block = 0; block < count; ++block, codes += k_factor * 16) {
      t_mac_lookups<tokens, indices, groups>(rows[block], codes, scales, pass.has_zeros, inputs, sums + block * 32,
                                             count * 32);
    }
  }

  for (int t = 0; t < tokens; ++t) {
    float* y = out + (std::size_t)t * pass.rows + first * 32 / pass.bits;
    t_mac_join(sums + (std::size_t)t * count * 32, pass.bits, count * 4 / pass.bits, add, y);
  }
}

template <int side_by_side, int indices, int groups>
static void t_mac_tokens(const TMac& pass, TMacTables& tables, std::size_t& tokens, std::size_t first,
                         std::size_t count, bool add, float*& out) {
  for (; tokens >= side_by_side; tokens -= side_by_side) {
    t_mac_blocks<side_by_side, indices, groups>(pass, tables, first, count, add, out);
    tables.entries += side_by_side * pass.columns * 4;
    tables.scales += side_by_side * (pass.columns / pass.activation_group);
    tables.biases += side_by_side * (pass.columns / pass.activation_group);
    out += side_by_side * pass.rows;
  }
}

template <int indices, int groups>
static void t_mac_some_blocks(const TMac& pass, TMacTables tables, std::size_t tokens, std::size_t first,
                              std::size_t count, bool add, float* out) {
  t_mac_tokens<t_mac_most_tokens, indices, groups>(pass, tables, tokens, first, count, add, out);
  t_mac_tokens<1, indices, groups>(pass, tables, tokens, first, count, add, out);
}

/// Outputs of the blocks [first, last) of 32 expanded rows; with three bits both are multiples of three.
static void t_mac_multiply(const TMac& pass, const TMacTables& tables, std::size_t tokens, std::size_t first,
                           std::size_t last, bool add, float* out) {
  const std::size_t tile_blocks = pass.tile_rows / 32;
  while (first < last) {
    std::size_t count = tile_blocks - first % tile_blocks;
    if (count > last - first) count = last - first;
    if (count > t_mac_most_blocks) count = t_mac_most_blocks;
    if (pass.activation_group == 64) {
      t_mac_some_blocks<16, 1>(pass, tables, tokens, first, count, add, out);
    } else if (pass.k_factor == 16) {
      t_mac_some_blocks<8, 2>(pass, tables, tokens, first, count, add, out);
    } else {
      t_mac_some_blocks<8, 1>(pass, tables, tokens, first, count, add, out);
    }
    first += count;
  }
}
