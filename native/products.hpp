#pragma once
#include <cstddef>
#include <cstdint>

namespace luthier {

/// One pass of a T-MAC product; see src/targets/t-mac.
struct TMac {
  std::size_t rows, columns, group, bits, tile_rows, k_factor, activation_group;
  bool has_zeros, one_scale;
  const std::uint8_t* weight;
  const float* scales;
};

/// Lookup tables of some tokens.
struct TMacTables {
  std::int8_t* entries;  // [tokens][K / 4][16]
  float* scales;         // [tokens][K / activation_group]
  float* biases;         // [tokens][K / activation_group]
};

/// What the tables of a LUT Tensor Core product are made of.
enum class LutInput { float16, e4m3, e5m2, int8, int16 };

/// One pass of a LUT Tensor Core product; see src/targets/lut-tensor-core.
struct LutTensorCore {
  std::size_t rows, columns, group, bits, tile_outputs, tile_inputs, table_group;
  LutInput input;
  bool power_of_two, one_scale;
  int entry_bytes;  // of a table's entries: 1 for float inputs, 2 for INT8, 3 for INT16
  const std::uint8_t* selectors;
  const float* scales;
  const std::int8_t* zero_points;  // null where they are 1

  bool exact() const { return entry_bytes > 1; }
  /// Bytes of one byte of all entries of a token; a step reads up to four tables at once.
  std::size_t entry_stride() const { return columns * 4 + 64; }
};

/// Lookup tables of some tokens.
struct LutTables {
  std::int8_t* entries;      // [tokens][entry_bytes][K / 4][16], one for every selector
  float* scales;             // [tokens][K / table_group]
  float* sums;               // [tokens][K / group]: Σx
  std::int32_t* exact_sums;  // the same of integer inputs
  float* token_units;        // [tokens]

  void skip(const LutTensorCore& w, std::size_t tokens) {
    entries += tokens * w.entry_stride() * w.entry_bytes;
    scales += tokens * (w.columns / w.table_group);
    sums += tokens * (w.columns / w.group);
    exact_sums += tokens * (w.columns / w.group);
    token_units += tokens;
  }
};

/// A LUT-GEMM product; see src/targets/lut-gemm.
struct LutGemm {
  std::size_t rows, columns, group, planes;
  std::size_t k_tile;          // 32 with a bias, or 64
  const std::uint8_t* words;   // [K / 32][planes][N] words
  const std::uint8_t* alpha;   // [K / group][planes][N] float16
  const std::uint8_t* bias;    // [K / group][N] float16, or null
};

/// Bytes of a token's tables for each input, whatever the path: 256 entries of up to four bytes for eight inputs.
constexpr std::size_t lut_gemm_table_bytes = 128;

/// ggml's block types; see src/targets/gguf/blocks.ts.
enum class GgmlType { tq1_0, tq2_0, q2_0, q4_0, q8_0 };

struct GgmlBlocks {
  GgmlType type;
  std::size_t size, bytes, scale_at;  // of a block: weights, bytes, where the FP16 scale lies
  std::size_t rows = 0, columns = 0;
  const std::uint8_t* data = nullptr;  // [rows][columns / size][bytes]
};

/// Tokens rounded to INT8 with one scale a run of inputs.
struct GgmlTokens {
  std::size_t columns, run;
  const std::int8_t* codes;   // [tokens][columns]
  const float* scales;        // [tokens][columns / run]
  const std::int32_t* sums;   // [tokens][columns / run]: Σ codes
};

/// What a ternary product makes of Σ code · x and Σ x: `i2_s` subtracts them in float32, `tables` and `float16` as whole
/// numbers; `float16` is TeLLMe's (src/targets/tellme), the others bitnet.cpp's (src/targets/bitnet-cpp).
enum class TernaryResult { i2_s, tables, float16 };

/// Ternary weights as 2-bit codes in the blocks of I2_S.
struct TernaryWeight {
  std::size_t rows, row_bytes;
  const std::uint8_t* codes;  // [rows][row_bytes]
  float scale;
  TernaryResult result;
};

/// INT8 tokens for ternary products.
struct TernaryTokens {
  std::size_t length;        // of a token: four times the bytes of a row, rounded up to registers
  std::size_t stride;        // from token to token: not a multiple of 4,096, which would put all into one set of a cache
  const std::int8_t* codes;  // [tokens][stride]
  const float* factors;      // [tokens]
  const std::int32_t* sums;  // [tokens]: Σ codes
};

/// The centroids nearest to inputs; see src/kernels/centroid-search.ts.
struct CentroidSearch {
  std::size_t tokens, columns, vector, centroids;
  const float* input;      // [tokens][K]
  const float* codebooks;  // [P][centroids][vector]
  std::uint8_t* ids;       // [P][tokens]
};

/// A linear by its tables; see src/kernels/table-product.ts.
struct TableProduct {
  std::size_t rows, columns, vector, centroids, blocks, inputs;
  const std::uint8_t* ids;      // [blocks][outputs / 32][steps][step_bytes]
  const std::uint8_t* entries;  // [P][blocks][inputs][centroids]
  const float* scales;          // [runs]
  const float* biases;          // [runs]
  std::size_t runs;

  std::size_t positions() const { return columns / vector; }
  std::size_t block_rows() const { return rows / blocks; }
  /// Runs of 32 outputs of a block; the last is filled up with ids 0.
  std::size_t groups() const { return (block_rows() + 31) / 32; }
  /// Ids of four bits: a step is four positions, of each 16 bytes, output o in the low and output o + 16 in the high half of
  /// byte o. Else a step is one position, of 32 bytes.
  bool narrow() const { return centroids <= 16; }
  std::size_t step_positions() const { return narrow() ? 4 : 1; }
  std::size_t steps() const { return (positions() + step_positions() - 1) / step_positions(); }
  std::size_t step_bytes() const { return narrow() ? 64 : 32; }
  std::size_t id_bytes() const { return blocks * groups() * steps() * step_bytes(); }
};

/// Rotations of runs of `size` values; see src/kernels/hadamard.ts.
struct Hadamard {
  std::size_t columns, size;
  std::size_t cores;
  const std::uint32_t* orders;  // [cores]
  const std::int8_t* signs;     // of all cores, `order` rows of `order` each
  const float* factors;         // [columns], or null
  const float* values;          // [rows][columns]
  float* out;                   // the same
};

}  // namespace luthier
