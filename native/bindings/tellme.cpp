// TeLLMe's integer sums as seen from JavaScript; src/targets/tellme has the layout and the reference.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>

namespace luthier {

/// tellmeSums(path, threads, codes, rows, columns, leastFirst, words, sums)
Napi::Value tellme_sums(const Napi::CallbackInfo& info) {
  constexpr std::size_t rows_per_task = 32;
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  std::size_t length;
  const auto* codes = arguments.array<std::int8_t>("codes", length);
  const std::size_t rows = arguments.count("rows", 1, 1u << 30);
  const std::size_t columns = arguments.count("columns", 1, 1u << 24);  // 2^24 · 128 fits INT32
  const bool least_first = arguments.flag();
  const auto* words = arguments.array<std::uint8_t>((columns + 83) / 84 * rows * 18, "words");
  if (length % columns != 0) throw Napi::RangeError::New(info.Env(), "codes hold no whole tokens");
  const std::size_t tokens = length / columns;
  auto* sums = arguments.array<std::int32_t>(tokens * rows, "sums");
  return run_async(info, [=, &path] {
    parallel_for((rows + rows_per_task - 1) / rows_per_task, threads, [&](std::size_t task) {
      path.tellme_sums(codes, tokens, rows, columns, least_first, words, task * rows_per_task,
                       std::min(rows, (task + 1) * rows_per_task), sums);
    });
  });
}

}  // namespace luthier
