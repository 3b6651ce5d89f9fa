#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "fitting.hpp"
#include "products.hpp"
#include "quantizing.hpp"

namespace luthier {

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
