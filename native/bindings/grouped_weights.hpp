#pragma once
#include <algorithm>
#include <cstddef>
#include <functional>

#include "bind.hpp"
#include "pool.hpp"

namespace luthier {

/// What every kernel takes first that fits something to runs of consecutive weights: path, threads, weights, group.
struct GroupedWeights {
  const Path& path;
  unsigned threads;
  const float* weights;
  std::size_t length, group;

  explicit GroupedWeights(Arguments& arguments) : path(arguments.path()), threads(arguments.threads()) {
    weights = arguments.array<float>("weights", length);
    group = arguments.count("group", 1, std::max<std::size_t>(length, 1));
  }

  /// Whole runs.
  std::size_t runs() const { return length / group; }
};

/// Runs a task of a thread takes: enough work to be worth a wake-up, a multiple of the lanes of every path.
constexpr std::size_t runs_per_task = 256;

/// Calls work(first, last) for ranges of runs that cover all, `each` of them at a time.
inline void for_runs(std::size_t runs, unsigned threads, const std::function<void(std::size_t, std::size_t)>& work,
                     std::size_t each = runs_per_task) {
  parallel_for((runs + each - 1) / each, threads, [&](std::size_t task) {
    work(task * each, std::min(runs, (task + 1) * each));
  });
}

}  // namespace luthier
