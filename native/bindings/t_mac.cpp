// T-MAC products as seen from JavaScript; src/targets/t-mac has the layout and the reference.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"
#include "scratch.hpp"

#include <algorithm>
#include <vector>

namespace luthier {
namespace {

/// Tokens whose tables are held at a time: 256 tokens of 4,096 inputs are 4 MiB.
constexpr std::size_t tokens_at_a_time = 256;

/// Bits of weight times tokens that one thread gets through within a millisecond.
constexpr std::size_t brief_lookups = std::size_t{1} << 28;

/// How a product is cut into tasks that do not depend on one another: by blocks of 32 expanded rows and by tokens.
struct Cut {
  std::size_t unit;    // blocks that hold whole outputs: three with three bits
  std::size_t blocks;  // of a task, a multiple of `unit`
  std::size_t tokens;  // of a task, a multiple of the tokens that a kernel takes side by side

  /// Few tokens want long runs of weights, many want runs that stay in the second cache while all tokens use them.
  /// Smaller tasks keep all threads busy.
  Cut(const TMac& w, std::size_t all_tokens, unsigned threads) : unit(w.bits == 3 ? 3 : 1), tokens(64) {
    blocks = (all_tokens > 4 ? 16 : 32) / (unit == 3 ? 4 : 1) * unit;
    const std::size_t wanted = threads == 1 ? 1 : 4 * threads;
    while (tasks(w, all_tokens) < wanted && tokens > 16 && all_tokens > tokens / 2) tokens /= 2;
    while (tasks(w, all_tokens) < wanted && blocks > unit) blocks = blocks / 2 / unit * unit;
  }

  std::size_t row_tasks(const TMac& w) const { return (w.rows * w.bits / 32 + blocks - 1) / blocks; }
  std::size_t tasks(const TMac& w, std::size_t all) const { return row_tasks(w) * ((all + tokens - 1) / tokens); }
};

/// What the layout promises; anything else would read out of bounds.
bool sound(const TMac& w) {
  return w.bits >= 1 && w.bits <= 4 && (w.k_factor == 8 || w.k_factor == 16) &&
         (w.activation_group == 32 || w.activation_group == 64) && w.rows > 0 && w.columns > 0 && w.tile_rows > 0 &&
         w.group > 0 && w.tile_rows % 32 == 0 && w.tile_rows % (8 * w.bits) == 0 && w.rows * w.bits % w.tile_rows == 0 &&
         w.columns % (4 * w.k_factor) == 0 && 4 * w.k_factor % w.activation_group == 0 && w.columns % w.group == 0 &&
         w.group % (4 * w.k_factor) == 0 &&
         !(w.one_scale && w.has_zeros);
}

struct Pass {
  const std::uint8_t* weight;
  const float* scales;
};

void multiply(const Path& path, unsigned threads, const TMac& shape, const std::vector<Pass>& passes,
              const float* input, std::size_t tokens, float* out) {
  const std::size_t groups = shape.columns / shape.activation_group;
  const std::size_t held = std::min(tokens, tokens_at_a_time);
  const Scratch<std::int8_t> entries(held * shape.columns * 4);
  const Scratch<float> scales(held * groups), biases(held * groups);
  const auto tables_from = [&](std::size_t token) {
    return TMacTables{entries.data + token * shape.columns * 4, scales.data + token * groups,
                      biases.data + token * groups};
  };
  const Cut cut(shape, held, threads);
  for (std::size_t start = 0; start < tokens; start += held) {
    const std::size_t count = std::min(held, tokens - start);
    parallel_for(count, threads, [&](std::size_t token) {
      const float* x = input + (start + token) * shape.columns;
      path.t_mac_tables(x, shape.columns, shape.activation_group, tables_from(token));
    });
    const std::size_t row_tasks = cut.row_tasks(shape);
    parallel_for(cut.tasks(shape, count), threads, [&](std::size_t task) {
      const std::size_t token = task / row_tasks * cut.tokens;
      const std::size_t block = task % row_tasks * cut.blocks;
      const std::size_t last = std::min(shape.rows * shape.bits / 32, block + cut.blocks);
      for (std::size_t i = 0; i < passes.size(); ++i) {
        TMac pass = shape;
        pass.weight = passes[i].weight;
        pass.scales = passes[i].scales;
        path.t_mac_multiply(pass, tables_from(token), std::min(cut.tokens, count - token), block, last, i > 0,
                            out + (start + token) * shape.rows);
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
  const bool brief = tokens * w.rows * w.columns * w.bits * passes.size() <= brief_lookups;
  return run_async(info, [=, &path] { multiply(path, threads, w, passes, input, tokens, out); }, brief);
}

}  // namespace luthier
