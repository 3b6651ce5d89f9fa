// LUT-GEMM products as seen from JavaScript; src/targets/lut-gemm has the layout and the reference.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace luthier {
namespace {

/// Tokens whose tables are held at a time: eight tokens of 4,096 inputs are 4 MiB.
constexpr std::size_t tokens_at_a_time = 8;

/// Inputs whose tables one task builds: a token is cut too, for when there is but one.
constexpr std::size_t inputs_per_task = 512;

/// Outputs of a task: a multiple of those that any path computes side by side, few enough that their sums stay in the
/// first cache.
constexpr std::size_t most_rows = 2048, row_step = 32;

/// Table lookups that one thread gets through within a millisecond.
constexpr std::size_t brief_lookups = std::size_t{1} << 21;

/// What the layout promises; anything else would read out of bounds.
bool sound(const LutGemm& w) {
  return w.rows > 0 && w.columns > 0 && w.group > 0 && w.planes >= 1 && w.planes <= 16 &&
         (w.k_tile == 32 || w.k_tile == 64) && w.columns % w.k_tile == 0 && w.columns % w.group == 0 &&
         w.group % w.k_tile == 0;
}

/// Enough tasks for all threads, in whole steps of rows.
std::size_t rows_per_task(std::size_t rows, std::size_t tokens, unsigned threads) {
  const std::size_t most = tokens > 1 ? most_rows / 4 : most_rows;
  const std::size_t wanted = threads == 1 ? 1 : 2 * threads;
  const std::size_t fair = (rows + wanted - 1) / wanted;
  return std::min(most, (fair + row_step - 1) / row_step * row_step);
}

void multiply(const Path& path, unsigned threads, const LutGemm& weight, const float* input, std::size_t tokens,
              float* out) {
  const std::size_t held = std::min(tokens, tokens_at_a_time);
  const std::size_t token_bytes = weight.columns * lut_gemm_table_bytes;
  const std::unique_ptr<void, decltype(&std::free)> tables(std::aligned_alloc(64, held * token_bytes), &std::free);
  const std::size_t rows = rows_per_task(weight.rows, tokens, threads);
  for (std::size_t start = 0; start < tokens; start += held) {
    const std::size_t count = std::min(held, tokens - start);
    const std::size_t parts = (weight.columns + inputs_per_task - 1) / inputs_per_task;
    parallel_for(count * parts, threads, [&](std::size_t task) {
      const std::size_t token = task / parts, first = task % parts * inputs_per_task;
      path.lut_gemm_tables(input + (start + token) * weight.columns, first,
                           std::min(weight.columns, first + inputs_per_task), weight.k_tile,
                           static_cast<char*>(tables.get()) + token * token_bytes);
    });
    parallel_for((weight.rows + rows - 1) / rows, threads, [&](std::size_t task) {
      path.lut_gemm_multiply(weight, tables.get(), count, task * rows, std::min(weight.rows, (task + 1) * rows),
                             out + start * weight.rows);
    });
  }
}

}  // namespace

/// lutGemmMultiply(path, threads, shape, input, words, alpha, bias, out); shape as in src/targets/lut-gemm/native.ts
Napi::Value lut_gemm_multiply(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::uint32_t* shape = arguments.array<std::uint32_t>(5, "shape");
  LutGemm w{};
  w.rows = shape[0];
  w.columns = shape[1];
  w.group = shape[2];
  w.planes = shape[3];
  w.k_tile = shape[4];
  if (!sound(w)) throw Napi::RangeError::New(info.Env(), "shape is no LUT-GEMM layout");
  std::size_t length;
  const float* input = arguments.array<float>("input", length);
  if (length % w.columns != 0) throw Napi::RangeError::New(info.Env(), "input holds no whole tokens");
  const std::size_t tokens = length / w.columns;
  const std::size_t groups = w.columns / w.group;
  w.words = arguments.array<std::uint8_t>(w.columns / 8 * w.planes * w.rows, "words");
  w.alpha = arguments.array<std::uint8_t>(groups * w.planes * w.rows * 2, "alpha");
  w.bias = arguments.array<std::uint8_t>(w.k_tile == 32 ? groups * w.rows * 2 : 0, "bias");
  if (w.k_tile == 64) w.bias = nullptr;
  float* out = arguments.array<float>(tokens * w.rows, "out");
  const bool brief = tokens * w.rows * w.columns / 8 * w.planes <= brief_lookups;
  return run_async(info, [=, &path] { multiply(path, threads, w, input, tokens, out); }, brief);
}

}  // namespace luthier
