// Products of ggml's blocks as seen from JavaScript; src/targets/gguf has the blocks and the reference.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>
#include <vector>

namespace luthier {
namespace {

void multiply(const Path& path, unsigned threads, const GgmlBlocks& blocks, const float* input, std::size_t tokens,
              float* out) {
  const std::size_t run = blocks.size == 256 ? 256 : 32;
  const std::size_t runs = blocks.columns / run;
  std::vector<std::int8_t> codes(tokens * blocks.columns);
  std::vector<float> scales(tokens * runs);
  std::vector<std::int32_t> sums(tokens * runs);
  parallel_for(tokens, threads, [&](std::size_t token) {
    path.ggml_round(run, input + token * blocks.columns, blocks.columns, &codes[token * blocks.columns],
                    &scales[token * runs], &sums[token * runs]);
  });
  const GgmlTokens inputs{blocks.columns, run, codes.data(), scales.data(), sums.data()};
  const std::size_t rows_per_task = std::clamp<std::size_t>(blocks.rows / (4 * threads) / 16 * 16, 16, 64);
  parallel_for((blocks.rows + rows_per_task - 1) / rows_per_task, threads, [&](std::size_t task) {
    const std::size_t first = task * rows_per_task;
    path.ggml_multiply(blocks, inputs, tokens, first, std::min(blocks.rows, first + rows_per_task), out);
  });
}

}  // namespace

/// ggmlMultiply(path, threads, type, rows, columns, blocks, input, out)
Napi::Value ggml_multiply(const Napi::CallbackInfo& info) {
  static constexpr GgmlBlocks types[] = {
      {GgmlType::tq1_0, 256, 54, 52}, {GgmlType::tq2_0, 256, 66, 64}, {GgmlType::q2_0, 64, 18, 0},
      {GgmlType::q4_0, 32, 18, 0},    {GgmlType::q8_0, 32, 34, 0},
  };
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  GgmlBlocks blocks = types[arguments.count("type", 0, 4)];
  blocks.rows = arguments.count("rows", 1, 1u << 30);
  blocks.columns = arguments.count("columns", 1, 1u << 30);
  if (blocks.columns % blocks.size != 0) throw Napi::RangeError::New(info.Env(), "columns are no whole blocks");
  blocks.data = arguments.array<std::uint8_t>(blocks.rows * (blocks.columns / blocks.size) * blocks.bytes, "blocks");
  std::size_t length;
  const float* input = arguments.array<float>("input", length);
  if (length % blocks.columns != 0) throw Napi::RangeError::New(info.Env(), "input holds no whole tokens");
  const std::size_t tokens = length / blocks.columns;
  float* out = arguments.array<float>(tokens * blocks.rows, "out");
  return run_async(info, [=, &path] { multiply(path, threads, blocks, input, tokens, out); });
}

}  // namespace luthier
