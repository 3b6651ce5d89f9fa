#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "fitting.hpp"

namespace luthier {

/// What round_to_nearest is asked to do; see src/kernels/round-to-nearest.ts.
struct RoundToNearest {
  std::size_t group;
  int bits;
  bool symmetric;
  bool clip;
};

/// Runs by a scale times one of some tables; see src/kernels/shared-tables.ts.
struct SharedTables {
  std::size_t group, tables;
  bool powers_of_two;
  const float* values;          // of all tables, one after another
  const std::uint32_t* starts;  // [tables + 1], in `values`
};

/// Runs by a table each; see src/kernels/own-tables.ts.
struct OwnTables {
  std::size_t group, values, columns;
  const double* importance;  // [columns]
};

/// Values of a table, at most.
constexpr std::size_t most_values = 256;

/// What HQQ is asked to do; see src/kernels/hqq.ts.
struct Hqq {
  std::size_t group;
  int bits;
  bool in_steps;
};

/// What bcq is asked to do; see src/kernels/bcq.ts.
struct Bcq {
  std::size_t group;
  int planes, rounds;
  int powers;  // of two that make up a scale; 0 where it may be any number
};

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

/// The functions that exist once an instruction set. All of them compute a range of independent items on one thread and
/// give the same bits on every path. Kernels take raw pointers and use no library templates: an inline template
/// instantiated under wider instructions could otherwise be linked into the portable path.
struct Path {
  const char* name;

  /// Runs [first, last) of `group` consecutive weights each. `zero_points` is null when symmetric.
  void (*round_to_nearest)(const RoundToNearest& task, const float* weights, std::size_t first, std::size_t last,
                           std::uint8_t* codes, float* scales, std::uint8_t* zero_points);

  /// Runs [first, last) of `runs`; codes [planes][runs × group], scales [planes][runs].
  void (*trit_planes)(const float* weights, std::size_t group, std::size_t runs, int planes, std::size_t first,
                      std::size_t last, std::int8_t* codes, float* scales);

  /// Runs [first, last) of `runs`; codes [planes][runs × group], scales [planes][runs], offsets [runs] or null.
  void (*bcq)(const Bcq& task, const float* weights, std::size_t runs, std::size_t first, std::size_t last,
              std::int8_t* codes, float* scales, float* offsets);

  /// Inverse scales and first zero points of the runs [first, last).
  void (*hqq_start)(const Hqq& task, const float* weights, std::size_t first, std::size_t last, float* inverses,
                    float* zeros);

  /// One round of HQQ: moves the zero points; `errors` takes the sums of the errors before.
  void (*hqq_round)(const Hqq& task, const float* weights, std::size_t first, std::size_t last, const float* inverses,
                    float* zeros, double* errors);

  /// Codes, and scales and zero points as they are stored.
  void (*hqq_codes)(const Hqq& task, const float* weights, std::size_t first, std::size_t last, const float* inverses,
                    std::uint8_t* codes, float* scales, float* zeros);

  /// Runs [first, last); codes [runs × group], scales and selectors [runs].
  void (*shared_tables)(const SharedTables& task, const float* weights, std::size_t first, std::size_t last,
                        std::uint8_t* codes, float* scales, std::uint8_t* selectors);

  /// Runs [first, last); codes [runs × group], tables [runs][values].
  void (*own_tables)(const OwnTables& task, const float* weights, std::size_t first, std::size_t last,
                     std::uint8_t* codes, float* tables);

  /// The tables of one token.
  void (*t_mac_tables)(const float* x, std::size_t columns, std::size_t activation_group, const TMacTables& tables);

  /// Outputs [tokens][N] of the blocks [first, last) of 32 expanded rows, added to `out` when `add`. With three bits
  /// `first` and `last` are multiples of three.
  void (*t_mac_multiply)(const TMac& pass, const TMacTables& tables, std::size_t tokens, std::size_t first,
                         std::size_t last, bool add, float* out);

  /// The tables of one token.
  void (*lut_tensor_core_tables)(const LutTensorCore& pass, const float* input, const LutTables& tables);

  /// Outputs [tokens][N] of the rows [first, last), both multiples of 32, added to `out` when `add`.
  void (*lut_tensor_core_multiply)(const LutTensorCore& pass, const LutTables& tables, std::size_t tokens,
                                   std::size_t first, std::size_t last, bool add, float* out);

  /// The tables of the inputs [first, last) of one token, whole thirty-twos; lut_gemm_table_bytes an input.
  void (*lut_gemm_tables)(const float* x, std::size_t first, std::size_t last, std::size_t k_tile, void* tables);

  /// Outputs [tokens][N] of the rows [first, last).
  void (*lut_gemm_multiply)(const LutGemm& weight, const void* tables, std::size_t tokens, std::size_t first,
                            std::size_t last, float* out);

  /// INT8 codes [length] of one token, in the order of registers of codes in blocks of `block` bytes, and their sum;
  /// returns the factor that made them. `floored`: magnitudes count as 1e-5 at least.
  float (*ternary_quantize)(const float* x, std::size_t columns, std::size_t length, std::size_t block, bool floored,
                           std::int8_t* codes, std::int32_t* sum);

  /// Outputs [tokens][N] of the rows [first, last).
  void (*ternary_multiply)(const TernaryWeight& weight, const TernaryTokens& inputs, std::size_t tokens, std::size_t first,
                          std::size_t last, float* out);

  /// The sum of the bytes as words.
  std::uint64_t (*read_memory)(const std::uint8_t* bytes, std::size_t count);

  /// Rounds of INT8 dot products in registers.
  std::int32_t (*dot_products)(std::size_t rounds);
  std::size_t dot_products_a_round;
  /// One token: codes [columns], scales and sums of codes [columns / run].
  void (*ggml_round)(std::size_t run, const float* x, std::size_t columns, std::int8_t* codes, float* scales,
                     std::int32_t* sums);

  /// Outputs [tokens][N] of the rows [first, last).
  void (*ggml_multiply)(const GgmlBlocks& blocks, const GgmlTokens& inputs, std::size_t tokens, std::size_t first,
                        std::size_t last, float* out);

  /// Positions [first, last).
  void (*nearest_centroids)(const CentroidSearch& task, std::size_t first, std::size_t last);

  /// Outputs [tokens][N] of the groups [first, last) of a block. `input_ids` is [P][stride], of which `tokens` are read.
  void (*table_product)(const TableProduct& weight, const std::uint8_t* input_ids, std::size_t stride, std::size_t tokens,
                        std::size_t block, std::size_t first, std::size_t last, float* out);

  /// Adds to the sums of rows [row, row_end) and columns [column, column_end); with `upper` those at j < i are free.
  void (*add_covariance)(const Covariance& task, std::size_t row, std::size_t row_end, std::size_t column,
                         std::size_t column_end, bool upper);

  /// The square [first, last) on the diagonal of A becomes R's, of A = RᵀR, once R's rows before are found. False where a
  /// pivot is not positive and finite.
  bool (*cholesky_diagonal)(double* a, std::size_t size, std::size_t first, std::size_t last);

  /// Rows [first, last) of the Y of RᵀY = B, B in its place, once those in [from, first) are found; before are zeros.
  void (*cholesky_forward)(const double* r, std::size_t size, std::size_t from, std::size_t first, std::size_t last,
                           double* y, std::size_t stride, std::size_t columns);

  /// Rows [first, last) of the X of R X = Y, Y in its place, once those after are found.
  void (*cholesky_backward)(const double* r, std::size_t size, std::size_t first, std::size_t last, double* y,
                            std::size_t stride, std::size_t columns);

  /// Takes the changes of the run at `first` off a chunk of the residual, and sums for the run at `next` what is lacking
  /// then. Either may be no_run.
  void (*fit_tables_visit)(const FitTables& task, const FitBlock& block, std::size_t first, std::size_t next,
                           std::size_t chunk);

  /// Fits the run at `first` of a block's tables to its sums, and gives the changes; its ids are `next` of the block.
  void (*fit_tables_run)(const FitTables& task, const FitBlock& block, std::size_t first);

  void (*subtract_product)(const Product& task);

  /// Codebooks of positions [first, last).
  void (*k_means)(const KMeans& task, std::size_t first, std::size_t last);

  /// Ids, codebooks and errors of columns [first, last), whole positions, for the rows of one block.
  void (*compensate_batch)(const Compensation& task, std::size_t first, std::size_t last, std::size_t block);

  /// Codes and errors of columns [first, last), at most a batch, for the rows [row, row_end).
  void (*compensated_codes)(const CompensatedCodes& task, std::size_t first, std::size_t last, std::size_t row,
                            std::size_t row_end);

  /// Runs [first, last) of `size` values.
  void (*hadamard)(const Hadamard& task, std::size_t first, std::size_t last);
};

constexpr std::size_t no_run = ~std::size_t{0};

extern const Path path_portable;
extern const Path path_avx2;
extern const Path path_avx512;

/// The path of that name if this processor can run it, else null.
const Path* find_path(const std::string& name);

}  // namespace luthier
