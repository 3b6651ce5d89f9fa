// k-means of inputs as seen from JavaScript; the reference is src/kernels/k-means.ts.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>

namespace luthier {

/// kMeans(path, threads, shape, points, codebooks); shape as in src/kernels/kernels.ts
Napi::Value k_means(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::uint32_t* shape = arguments.array<std::uint32_t>(6, "shape");
  KMeans task{};
  task.columns = shape[0];
  task.fit = {shape[1], shape[2], shape[3], shape[4], shape[5]};
  if (task.columns < 1 || task.columns > 1u << 22 || !sound(task.fit, task.columns)) {
    throw Napi::RangeError::New(info.Env(), "shape is none of k-means");
  }
  std::size_t length;
  task.points = arguments.array<float>("points", length);
  task.tokens = length / task.columns;
  if (task.tokens < 1 || length % task.columns != 0) {
    throw Napi::RangeError::New(info.Env(), "points holds no whole tokens");
  }
  task.codebooks = arguments.array<float>(task.columns * task.fit.centroids, "codebooks");
  return run_async(info, [=, &path] {
    const std::size_t positions = task.columns / task.fit.vector, some = k_means_columns / task.fit.vector;
    parallel_for((positions + some - 1) / some, threads, [&](std::size_t at) {
      path.k_means(task, at * some, std::min(positions, (at + 1) * some));
    });
  });
}

}  // namespace luthier
