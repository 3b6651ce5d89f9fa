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
};

extern const Path path_portable;
extern const Path path_avx2;
extern const Path path_avx512;

/// The path of that name if this processor can run it, else null.
const Path* find_path(const std::string& name);

}  // namespace luthier
