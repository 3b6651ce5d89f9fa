// T-MAC products as seen from JavaScript; src/targets/t-mac has the layout and the reference.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>
#include <vector>

namespace luthier {
namespace {

/// Tokens whose tables are held at a time: 128 tokens of 4,096 inputs are 2 MiB.
constexpr std::size_t tokens_at_a_time = 128;
constexpr std::size_t units_per_task = 4;

/// What the layout promises; anything else would read out of bounds.
bool sound(const TMac& w) {
  return w.bits >= 1 && w.bits <= 4 && (w.k_factor == 8 || w.k_factor == 16) &&
         (w.activation_group == 32 || w.activation_group == 64) && w.rows > 0 && w.columns > 0 && w.tile_rows > 0 &&
         w.group > 0 && w.tile_rows % 32 == 0 && w.tile_rows % (8 * w.bits) == 0 && w.rows * w.bits % w.tile_rows == 0 &&
         w.columns % (4 * w.k_factor) == 0 && 4 * w.k_factor % w.activation_group == 0 && w.columns % w.group == 0 &&
         w.group % (4 * w.k_factor) == 0;
}

struct Pass {
  const std::uint8_t* weight;
  const float* scales;
};

void multiply(const Path& path, unsigned threads, TMac w, const std::vector<Pass>& passes, const float* input,
              std::size_t tokens, float* out) {
  const std::size_t groups = w.columns / w.activation_group;
  const std::size_t held = std::min(tokens, tokens_at_a_time);
  std::vector<std::int8_t> entries(held * w.columns * 4);
  std::vector<float> scales(held * groups), biases(held * groups);
  const std::size_t units = w.rows * w.bits / (w.bits == 3 ? 96 : 32);
  for (std::size_t first = 0; first < tokens; first += held) {
    const std::size_t count = std::min(held, tokens - first);
    parallel_for(count, threads, [&](std::size_t token) {
      path.t_mac_tables(input + (first + token) * w.columns, w.columns, w.activation_group,
                        entries.data() + token * w.columns * 4, scales.data() + token * groups,
                        biases.data() + token * groups);
    });
    parallel_for((units + units_per_task - 1) / units_per_task, threads, [&](std::size_t task) {
      TMac each = w;
      for (std::size_t pass = 0; pass < passes.size(); ++pass) {
        each.weight = passes[pass].weight;
        each.scales = passes[pass].scales;
        path.t_mac_units(each, count, entries.data(), scales.data(), biases.data(), pass > 0, task * units_per_task,
                         std::min(units, (task + 1) * units_per_task), out + first * w.rows);
      }
    });
  }
}

}  // namespace

/// tMacMultiply(path, threads, shape, input, weights[], scales[], out); shape as in src/targets/t-mac/native.ts
Napi::Value t_mac_multiply(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::uint32_t* shape = arguments.array<std::uint32_t>(9, "shape");
  TMac w{};
  w.bits = shape[0];
  w.tile_rows = shape[1];
  w.k_factor = shape[2];
  w.activation_group = shape[3];
  w.rows = shape[4];
  w.columns = shape[5];
  w.group = shape[6];
  w.has_zeros = shape[7] != 0;
  w.one_scale = shape[8] != 0;
  if (!sound(w)) throw Napi::RangeError::New(info.Env(), "shape is no T-MAC layout");
  std::size_t length;
  const float* input = arguments.array<float>("input", length);
  if (length % w.columns != 0) throw Napi::RangeError::New(info.Env(), "input holds no whole tokens");
  const std::size_t tokens = length / w.columns;
  const std::size_t scale_count = (w.one_scale ? 1 : w.rows * (w.columns / w.group)) * (w.has_zeros ? 2 : 1);
  const auto weights = arguments.arrays<std::uint8_t>(w.rows * w.bits * w.columns / 8, "weights");
  const auto scales = arguments.arrays<float>(scale_count, "scales");
  if (weights.empty() || weights.size() != scales.size()) throw Napi::RangeError::New(info.Env(), "passes disagree");
  std::vector<Pass> passes;
  for (std::size_t i = 0; i < weights.size(); ++i) passes.push_back({weights[i], scales[i]});
  float* out = arguments.array<float>(tokens * w.rows, "out");
  return run_async(info, [=, &path] { multiply(path, threads, w, passes, input, tokens, out); });
}

}  // namespace luthier
