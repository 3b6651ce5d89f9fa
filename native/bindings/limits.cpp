// What this machine can do at best, as seen from JavaScript; src/kernels/limits.ts times it.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>
#include <vector>

namespace luthier {

/// readMemory(path, threads, bytes, out): each thread reads a part; the sum of all words goes to out[0], so that the
/// reading cannot be left out.
Napi::Value read_memory(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  std::size_t length;
  const std::uint8_t* bytes = arguments.array<std::uint8_t>("bytes", length);
  std::uint32_t* out = arguments.array<std::uint32_t>(1, "out");
  return run_async(info, [=, &path] {
    std::vector<std::uint64_t> sums(threads);
    const std::size_t part = length / threads / 64 * 64;
    parallel_for(threads, threads, [&](std::size_t i) {
      sums[i] = path.read_memory(bytes + i * part, i + 1 == threads ? length - i * part : part);
    });
    std::uint64_t total = 0;
    for (const std::uint64_t sum : sums) total += sum;
    *out = static_cast<std::uint32_t>(total);
  });
}

/// dotProducts(path, threads, rounds, out): INT8 multiply-accumulates in registers; out[0] becomes how many a thread did
/// in a round.
Napi::Value dot_products(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::size_t rounds = arguments.count("rounds", 1, 1u << 30);
  std::uint32_t* out = arguments.array<std::uint32_t>(1, "out");
  return run_async(info, [=, &path] {
    std::vector<std::int32_t> sums(threads);
    parallel_for(threads, threads, [&](std::size_t i) { sums[i] = path.dot_products(rounds); });
    *out = static_cast<std::uint32_t>(path.dot_products_a_round);
  });
}

}  // namespace luthier
