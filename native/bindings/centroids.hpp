#pragma once
#include "paths.hpp"

namespace luthier {

/// Tokens, inputs and centroids whose product one thread gets through within a millisecond.
constexpr std::size_t brief_comparisons = std::size_t{1} << 23;

/// What the kernels take, with products of its numbers far below 2^64.
inline bool sound(const CentroidSearch& task) {
  return task.columns > 0 && task.columns <= 1u << 22 && task.vector >= 1 && task.vector <= 8 &&
         task.columns % task.vector == 0 && task.centroids >= 1 && task.centroids <= 256;
}

/// All positions of at least one token.
void search_centroids(const Path& path, unsigned threads, const CentroidSearch& task);

}  // namespace luthier
