// Products of ternary weights as seen from JavaScript; src/targets/bitnet-cpp and src/targets/tellme have the references.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"
#include "scratch.hpp"

#include <algorithm>

namespace luthier {
namespace {

/// Tokens of a task: with 4,096 inputs their codes are half a MiB, which stay in the second cache.
constexpr std::size_t tokens_at_a_time = 128;

/// Rows of a task at most. Longer ones read memory no faster.
constexpr std::size_t rows_at_a_time = 256;

/// Weights times tokens that one thread gets through within a millisecond.
constexpr std::size_t brief_products = std::size_t{1} << 26;

void multiply(const Path& path, unsigned threads, const TernaryWeight& weight, std::size_t columns, std::size_t block,
              const float* input, std::size_t tokens, float* out) {
  const std::size_t length = (weight.row_bytes + 63) / 64 * 256, stride = length + 64;
  const Scratch<std::int8_t> codes(tokens * stride);
  const Scratch<float> factors(tokens);
  const Scratch<std::int32_t> sums(tokens);
  parallel_for(tokens, threads, [&](std::size_t token) {
    factors.data[token] = path.ternary_quantize(input + token * columns, columns, length, block, weight.result != TernaryResult::tables,
                                               codes.data + token * stride, &sums.data[token]);
  });
  const std::size_t share = (weight.rows / (threads == 1 ? 1 : 4 * threads) + 3) / 4 * 4;
  const std::size_t rows = std::clamp<std::size_t>(share, 4, rows_at_a_time);
  const std::size_t row_tasks = (weight.rows + rows - 1) / rows;
  const std::size_t token_tasks = (tokens + tokens_at_a_time - 1) / tokens_at_a_time;
  parallel_for(row_tasks * token_tasks, threads, [&](std::size_t task) {
    const std::size_t first = task % row_tasks * rows;
    const std::size_t token = task / row_tasks * tokens_at_a_time;
    const TernaryTokens some{length, stride, codes.data + token * stride, factors.data + token, sums.data + token};
    path.ternary_multiply(weight, some, std::min(tokens_at_a_time, tokens - token), first,
                         std::min(weight.rows, first + rows), out + token * weight.rows);
  });
}

}  // namespace

/// ternaryMultiply(path, threads, shape, codes, scale, input, out); shape as in src/kernels/kernels.ts
Napi::Value ternary_multiply(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::uint32_t* shape = arguments.array<std::uint32_t>(4, "shape");
  const std::size_t columns = shape[1], block = shape[2];
  if (shape[0] == 0 || shape[0] > 1u << 30 || columns == 0 || columns > 1u << 22 || (block != 16 && block != 32) ||
      shape[3] > 2) {
    throw Napi::RangeError::New(info.Env(), "shape is none of 2-bit codes");
  }
  TernaryWeight weight{};
  weight.rows = shape[0];
  weight.row_bytes = (columns + 4 * block - 1) / (4 * block) * block;
  weight.result = static_cast<TernaryResult>(shape[3]);
  weight.codes = arguments.array<std::uint8_t>(weight.rows * weight.row_bytes, "codes");
  weight.scale = *arguments.array<float>(1, "scale");
  std::size_t length;
  const float* input = arguments.array<float>("input", length);
  if (length % columns != 0) throw Napi::RangeError::New(info.Env(), "input holds no whole tokens");
  const std::size_t tokens = length / columns;
  float* out = arguments.array<float>(tokens * weight.rows, "out");
  const bool brief = tokens * weight.rows * columns <= brief_products;
  return run_async(
      info, [=, &path] { multiply(path, threads, weight, columns, block, input, tokens, out); }, brief);
}

}  // namespace luthier
