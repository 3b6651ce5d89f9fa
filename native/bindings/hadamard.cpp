// Hadamard rotations as seen from JavaScript; the reference is src/kernels/hadamard.ts.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>

namespace luthier {
namespace {

/// Values of a task: enough work to be worth a wake-up.
constexpr std::size_t task_values = 1 << 15;

/// Values that one thread gets through within a millisecond.
constexpr std::size_t brief_values = 1 << 15;

/// The cores and a power of two make up the size.
bool sound(const Hadamard& task, std::size_t signs) {
  if (task.columns < 1 || task.columns > 1u << 24 || task.size < 1 || task.columns % task.size != 0) return false;
  std::size_t power = task.size;
  for (std::size_t core = 0; core < task.cores; ++core) {
    const std::size_t order = task.orders[core];
    if (order < 1 || order > 1024 || power % order != 0 || signs < order * order) return false;
    power /= order;
    signs -= order * order;
  }
  return signs == 0 && (power & (power - 1)) == 0;
}

}  // namespace

/// hadamard(path, threads, shape, orders, signs, factors, values, out); shape: columns, size
Napi::Value hadamard(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::uint32_t* shape = arguments.array<std::uint32_t>(2, "shape");
  Hadamard task{};
  task.columns = shape[0];
  task.size = shape[1];
  std::size_t signs, factors, length;
  task.orders = arguments.array<std::uint32_t>("orders", task.cores);
  task.signs = arguments.array<std::int8_t>("signs", signs);
  if (!sound(task, signs)) throw Napi::RangeError::New(info.Env(), "shape is none of a Hadamard matrix");
  task.factors = arguments.array<float>("factors", factors);
  if (factors == 0) task.factors = nullptr;
  if (factors != 0 && factors != task.columns) throw Napi::RangeError::New(info.Env(), "factors are not those of a row");
  task.values = arguments.array<float>("values", length);
  if (length % task.columns != 0) throw Napi::RangeError::New(info.Env(), "values holds no whole rows");
  task.out = arguments.array<float>(length, "out");
  return run_async(
      info,
      [=, &path] {
        const std::size_t runs = length / task.size, some = std::max<std::size_t>(1, task_values / task.size);
        parallel_for((runs + some - 1) / some, threads, [&](std::size_t index) {
          path.hadamard(task, index * some, std::min(runs, (index + 1) * some));
        });
      },
      length <= brief_values && task.cores == 0);
}

}  // namespace luthier
