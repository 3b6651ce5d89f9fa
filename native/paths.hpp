#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace luthier {

/// What round_to_nearest is asked to do; see src/kernels/round-to-nearest.ts.
struct RoundToNearest {
  std::size_t group;
  int bits;
  bool symmetric;
  bool clip;
};

/// One pass of a T-MAC product; see src/targets/t-mac.
struct TMac {
  std::size_t rows, columns, group, bits, tile_rows, k_factor, activation_group;
  bool has_zeros, one_scale;
  const std::uint8_t* weight;
  const float* scales;
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

  /// Tables of one token: entries [K / 4][16], scales and biases [K / activation_group].
  void (*t_mac_tables)(const float* x, std::size_t columns, std::size_t activation_group, std::int8_t* entries,
                       float* scales, float* biases);

  /// Outputs of the row units [first, last) for tokens whose tables are given, added to `out` when `add`.
  void (*t_mac_units)(const TMac& w, std::size_t tokens, const std::int8_t* entries, const float* table_scales,
                      const float* table_biases, bool add, std::size_t first, std::size_t last, float* out);

  /// Integer sums [tokens][rows] of the rows [first, last).
  void (*tellme_sums)(const std::int8_t* codes, std::size_t tokens, std::size_t rows, std::size_t columns,
                      bool least_first, const std::uint8_t* words, std::size_t first, std::size_t last,
                      std::int32_t* sums);
};

extern const Path path_portable;
extern const Path path_avx2;
extern const Path path_avx512;

/// The path of that name if this processor can run it, else null.
const Path* find_path(const std::string& name);

}  // namespace luthier
