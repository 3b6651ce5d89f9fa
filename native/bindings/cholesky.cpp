// Cholesky factors as seen from JavaScript; the reference is src/kernels/cholesky.ts.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"
#include "scratch.hpp"

#include <algorithm>

namespace luthier {
namespace {

/// Rows that are found at once, and columns of a task.
constexpr std::size_t block = 96, task_columns = 96;

std::size_t tasks_of(std::size_t columns) { return (columns + task_columns - 1) / task_columns; }

/// The size of a square matrix; 65,536 of it would be 32 GiB.
std::size_t size_of(Arguments& arguments) { return arguments.count("size", 1, 1u << 16); }

bool factorize(const Path& path, unsigned threads, double* a, std::size_t size) {
  for (std::size_t first = 0; first < size; first += block) {
    const std::size_t last = std::min(size, first + block);
    if (!path.cholesky_diagonal(a, size, first, last)) return false;
    parallel_for(tasks_of(size - last), threads, [&](std::size_t task) {
      const std::size_t column = last + task * task_columns;
      path.cholesky_forward(a, size, 0, first, last, a + column, size, std::min(task_columns, size - column));
    });
  }
  return true;
}

}  // namespace

/// choleskyFactorize(path, threads, size, a, sound); sound takes 1 where every pivot is positive
Napi::Value cholesky_factorize(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::size_t size = size_of(arguments);
  double* a = arguments.array<double>(size * size, "a");
  auto* sound = arguments.array<std::uint8_t>(1, "sound");
  return run_async(info, [=, &path] { *sound = factorize(path, threads, a, size); });
}

/// choleskyInvert(path, threads, size, r, inverse); inverse starts as zeros
Napi::Value cholesky_invert(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::size_t size = size_of(arguments);
  const double* r = arguments.array<double>(size * size, "r");
  double* inverse = arguments.array<double>(size * size, "inverse");
  return run_async(info, [=, &path] {
    for (std::size_t i = 0; i < size; ++i) inverse[i * size + i] = 1;
    parallel_for(tasks_of(size), threads, [&](std::size_t task) {
      const std::size_t column = task * task_columns, columns = std::min(task_columns, size - column);
      for (std::size_t first = column; first < size; first += block) {
        path.cholesky_forward(r, size, column, first, std::min(size, first + block), inverse + column, size, columns);
      }
    });
  });
}

/// choleskySolve(path, threads, size, r, right): every row of right
Napi::Value cholesky_solve(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::size_t size = size_of(arguments);
  const double* r = arguments.array<double>(size * size, "r");
  std::size_t length;
  double* right = arguments.array<double>("right", length);
  const std::size_t rows = length / size;
  if (rows * size != length) throw Napi::RangeError::New(info.Env(), "right holds no whole rows");
  return run_async(info, [=, &path] {
    parallel_for(tasks_of(rows), threads, [&](std::size_t task) {
      const std::size_t row = task * task_columns, count = std::min(task_columns, rows - row);
      double* from = right + row * size;
      Scratch<double> columns(size * count);  // [size][count]
      for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t n = 0; n < count; ++n) columns.data[i * count + n] = from[n * size + i];
      }
      for (std::size_t first = 0; first < size; first += block) {
        path.cholesky_forward(r, size, 0, first, std::min(size, first + block), columns.data, count, count);
      }
      for (std::size_t last = size; last > 0; last -= std::min(block, last)) {
        path.cholesky_backward(r, size, last - std::min(block, last), last, columns.data, count, count);
      }
      for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t n = 0; n < count; ++n) from[n * size + i] = columns.data[i * count + n];
      }
    });
  });
}

}  // namespace luthier
