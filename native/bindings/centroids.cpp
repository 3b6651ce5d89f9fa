// Searches of centroids as seen from JavaScript; shapes and rules in src/kernels.
#include "bind.hpp"
#include "bindings.hpp"
#include "centroids.hpp"
#include "pool.hpp"

#include <algorithm>

namespace luthier {

void search_centroids(const Path& path, unsigned threads, const CentroidSearch& task) {
  const std::size_t positions = task.columns / task.vector;
  // One token's search of a position takes some 20 ns, so a task of many is worth a wake-up.
  const std::size_t some = std::clamp<std::size_t>(1024 / task.tokens, 16, 256);
  parallel_for((positions + some - 1) / some, threads, [&](std::size_t at) {
    path.nearest_centroids(task, at * some, std::min(positions, (at + 1) * some));
  });
}

/// nearestCentroids(path, threads, shape, input, codebooks, ids); shape as in src/kernels/kernels.ts
Napi::Value nearest_centroids(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::uint32_t* shape = arguments.array<std::uint32_t>(3, "shape");
  CentroidSearch task{};
  task.columns = shape[0];
  task.vector = shape[1];
  task.centroids = shape[2];
  if (!sound(task)) throw Napi::RangeError::New(info.Env(), "shape is none of centroids");
  std::size_t length;
  task.input = arguments.array<float>("input", length);
  if (length % task.columns != 0) throw Napi::RangeError::New(info.Env(), "input holds no whole tokens");
  task.tokens = length / task.columns;
  task.codebooks = arguments.array<float>(task.columns * task.centroids, "codebooks");
  task.ids = arguments.array<std::uint8_t>(task.columns / task.vector * task.tokens, "ids");
  const bool brief = task.tokens * task.columns * task.centroids <= brief_comparisons;
  return run_async(
      info,
      [=, &path] {
        if (task.tokens > 0) search_centroids(path, threads, task);
      },
      brief);
}

}  // namespace luthier
