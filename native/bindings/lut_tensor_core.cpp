// LUT Tensor Core products as seen from JavaScript; src/targets/lut-tensor-core has the layout and the reference.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace luthier {
namespace {

/// Tokens whose tables are held at a time: 128 tokens of 4,096 inputs are 2 to 6 MiB.
constexpr std::size_t tokens_at_a_time = 128;

/// Bits of weight times tokens that one thread gets through within a millisecond.
constexpr std::size_t brief_lookups = std::size_t{1} << 26;

struct Pass {
  const std::uint8_t* selectors;
  const float* scales;
  const std::int8_t* zero_points;
};

/// What the layout promises; anything else would read out of bounds.
bool sound(const LutTensorCore& w, std::uint32_t input) {
  if (input > 4 || w.rows == 0 || w.columns == 0 || w.group == 0 || w.tile_outputs == 0 || w.tile_inputs == 0 ||
      w.table_group == 0) {
    return false;
  }
  const std::size_t side_by_side = w.tile_inputs / 4;
  return w.bits >= 1 && w.bits <= 4 && w.tile_outputs % 32 == 0 && w.rows % w.tile_outputs == 0 &&
         w.tile_inputs % 4 == 0 && side_by_side <= 8 && (side_by_side & (side_by_side - 1)) == 0 &&
         w.columns % w.group == 0 && w.group % w.tile_inputs == 0 && w.table_group % 4 == 0 &&
         w.group % w.table_group == 0 &&
         (w.exact() ? w.table_group == w.group : w.table_group <= 128 && (w.table_group & (w.table_group - 1)) == 0);
}

void multiply(const Path& path, unsigned threads, const LutTensorCore& shape, const std::vector<Pass>& passes,
              const float* input, std::size_t tokens, float* out) {
  const std::size_t held = std::min(tokens, tokens_at_a_time);
  const std::size_t groups = shape.columns / shape.group;
  std::vector<std::int8_t> entries(held * shape.entry_stride() * shape.entry_bytes);
  std::vector<float> scales(held * shape.columns / shape.table_group), sums(held * groups), units(held);
  std::vector<std::int32_t> exact_sums(held * groups);
  const LutTables all{entries.data(), scales.data(), sums.data(), exact_sums.data(), units.data()};
  const auto tables_from = [&](std::size_t token) {
    LutTables tables = all;
    tables.skip(shape, token);
    return tables;
  };
  const std::size_t tasks_wanted = threads == 1 ? 1 : 4 * threads;
  const std::size_t strips = shape.rows / 32;
  const std::size_t rows_a_task = std::clamp<std::size_t>(strips / tasks_wanted / 2 * 2, 2, 16) * 32;
  for (std::size_t start = 0; start < tokens; start += held) {
    const std::size_t count = std::min(held, tokens - start);
    parallel_for(count, threads, [&](std::size_t token) {
      path.lut_tensor_core_tables(shape, input + (start + token) * shape.columns, tables_from(token));
    });
    parallel_for((shape.rows + rows_a_task - 1) / rows_a_task, threads, [&](std::size_t task) {
      const std::size_t first = task * rows_a_task;
      const std::size_t last = std::min(shape.rows, first + rows_a_task);
      for (std::size_t i = 0; i < passes.size(); ++i) {
        LutTensorCore pass = shape;
        pass.selectors = passes[i].selectors;
        pass.scales = passes[i].scales;
        pass.zero_points = passes[i].zero_points;
        path.lut_tensor_core_multiply(pass, all, count, first, last, i > 0, out + start * shape.rows);
      }
    });
  }
}

}  // namespace

/// lutTensorCoreMultiply(path, threads, shape, input, selectors[], scales[], zeroPoints[], out); shape as in
/// src/targets/lut-tensor-core/native.ts
Napi::Value lut_tensor_core_multiply(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::uint32_t* shape = arguments.array<std::uint32_t>(10, "shape");
  LutTensorCore w{};
  w.rows = shape[0];
  w.columns = shape[1];
  w.group = shape[2];
  w.bits = shape[3];
  w.tile_outputs = shape[4];
  w.tile_inputs = shape[5];
  w.table_group = shape[6];
  w.input = static_cast<LutInput>(shape[7]);
  w.power_of_two = shape[8] != 0;
  w.one_scale = shape[9] != 0;
  w.entry_bytes = w.input == LutInput::int8 ? 2 : w.input == LutInput::int16 ? 3 : 1;
  if (!sound(w, shape[7])) throw Napi::RangeError::New(info.Env(), "shape is no layout of LUT Tensor Core");
  std::size_t length;
  const float* input = arguments.array<float>("input", length);
  if (length % w.columns != 0) throw Napi::RangeError::New(info.Env(), "input holds no whole tokens");
  const std::size_t tokens = length / w.columns;
  const std::size_t scale_count = w.one_scale ? 1 : w.rows * (w.columns / w.group);
  const auto selectors = arguments.arrays<std::uint8_t>(w.rows * w.bits * w.columns / 8, "selectors");
  const auto scales = arguments.arrays<float>(scale_count, "scales");
  const auto zero_points = arguments.arrays<std::int8_t>(scale_count, "zeroPoints");
  if (selectors.empty() || selectors.size() != scales.size() ||
      (!zero_points.empty() && zero_points.size() != scales.size())) {
    throw Napi::RangeError::New(info.Env(), "passes disagree");
  }
  std::vector<Pass> passes;
  for (std::size_t i = 0; i < selectors.size(); ++i) {
    passes.push_back({selectors[i], scales[i], zero_points.empty() ? nullptr : zero_points[i]});
  }
  float* out = arguments.array<float>(tokens * w.rows, "out");
  const bool brief = tokens * w.rows * w.columns * w.bits * passes.size() <= brief_lookups;
  return run_async(info, [=, &path] { multiply(path, threads, w, passes, input, tokens, out); }, brief);
}

}  // namespace luthier
