// Second moments as seen from JavaScript; the reference is src/kernels/covariance.ts.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>

namespace luthier {
namespace {

/// Sums of a task: small enough for a cache, a multiple of the tiles of every path.
constexpr std::size_t block_rows = 192, block_columns = 192;

/// Sides of the squares that are mirrored at once: columns are read at their stride.
constexpr std::size_t mirror_side = 32;

std::size_t blocks_of(std::size_t length, std::size_t block) { return (length + block - 1) / block; }

/// Copies the upper triangle into the lower one.
void mirror(double* values, std::size_t size, unsigned threads) {
  parallel_for(blocks_of(size, mirror_side), threads, [=](std::size_t task) {
    const std::size_t first = task * mirror_side, last = std::min(size, first + mirror_side);
    for (std::size_t column = 0; column < last; column += mirror_side) {
      for (std::size_t i = first; i < last; ++i) {
        for (std::size_t j = column; j < std::min(i, column + mirror_side); ++j) values[i * size + j] = values[j * size + i];
      }
    }
  });
}

}  // namespace

/// addCovariance(path, threads, tokens, left, right, sums)
Napi::Value add_covariance(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  Covariance task{};
  task.tokens = arguments.count("tokens", 1, 1u << 31);
  std::size_t left_length, right_length;
  task.left = arguments.array<float>("left", left_length);
  task.right = arguments.array<float>("right", right_length);
  task.height = left_length / task.tokens;
  task.width = right_length / task.tokens;
  if (task.height * task.tokens != left_length || task.width * task.tokens != right_length) {
    throw Napi::RangeError::New(info.Env(), "left or right holds no whole tokens");
  }
  task.sums = arguments.array<double>(task.height * task.width, "sums");
  const bool mirrored = task.left == task.right && task.height == task.width;
  return run_async(info, [=, &path] {
    const std::size_t across = blocks_of(task.width, block_columns);
    parallel_for(blocks_of(task.height, block_rows) * across, threads, [&](std::size_t index) {
      const std::size_t row = index / across * block_rows, column = index % across * block_columns;
      if (mirrored && column + block_columns <= row) return;
      path.add_covariance(task, row, std::min(task.height, row + block_rows), column,
                          std::min(task.width, column + block_columns), mirrored);
    });
    if (mirrored) mirror(task.sums, task.width, threads);
  });
}

}  // namespace luthier
