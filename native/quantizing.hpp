#pragma once
#include <cstddef>
#include <cstdint>

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

}  // namespace luthier
