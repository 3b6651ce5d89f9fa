// Products with tables of two dimensions as seen from JavaScript; src/kernels/table-product.ts has the reference.
#include "bind.hpp"
#include "bindings.hpp"
#include "centroids.hpp"
#include "pool.hpp"
#include "scratch.hpp"

#include <algorithm>
#include <atomic>

namespace luthier {
namespace {

/// Tokens of a task: their sums for 512 outputs are 256 KiB, which stay in the second cache.
constexpr std::size_t tokens_at_a_time = 128;

/// Runs of 32 outputs of a task at most; the rows that a task gathers serve all of them.
constexpr std::size_t groups_at_a_time = 16;

/// Lookups that one thread gets through within a millisecond.
constexpr std::size_t brief_lookups = std::size_t{1} << 25;

/// rows, columns, vector, centroids, blocks, inputs; false when no table has them.
bool read_shape(const std::uint32_t* shape, TableProduct& w) {
  w.rows = shape[0];
  w.columns = shape[1];
  w.vector = shape[2];
  w.centroids = shape[3];
  w.blocks = shape[4];
  w.inputs = shape[5];
  return sound(CentroidSearch{0, w.columns, w.vector, w.inputs, nullptr, nullptr, nullptr}) && w.rows > 0 &&
         w.rows <= 1u << 24 && w.centroids >= 1 && w.centroids <= 256 && w.blocks > 0 && w.rows % w.blocks == 0;
}

/// The ids of a run of 32 outputs `[P][N]` as the kernels read them; false when one is beyond its codebook.
bool pack_group(const TableProduct& w, const std::uint8_t* ids, std::size_t block, std::size_t group, std::uint8_t* out) {
  const std::size_t first = block * w.block_rows() + group * 32;
  const std::size_t count = std::min<std::size_t>(32, w.block_rows() - group * 32);
  bool fits = true;
  std::fill_n(out, w.steps() * w.step_bytes(), 0);
  for (std::size_t position = 0; position < w.positions(); ++position) {
    const std::uint8_t* from = ids + position * w.rows + first;
    std::uint8_t* to = out + position * (w.narrow() ? 16 : 32);
    for (std::size_t output = 0; output < count; ++output) {
      fits = fits && from[output] < w.centroids;
      if (!w.narrow()) {
        to[output] = from[output];
      } else {
        to[output % 16] |= static_cast<std::uint8_t>(from[output] << (output < 16 ? 0 : 4));
      }
    }
  }
  return fits;
}

void multiply(const Path& path, unsigned threads, const TableProduct& w, const float* codebooks, const float* input,
              std::size_t tokens, float* out) {
  const Scratch<std::uint8_t> ids(w.positions() * tokens);
  search_centroids(path, threads, {tokens, w.columns, w.vector, w.inputs, input, codebooks, ids.data});
  const std::size_t token_tasks = (tokens + tokens_at_a_time - 1) / tokens_at_a_time;
  std::size_t groups = std::min(w.groups(), groups_at_a_time);
  const auto parts = [&] { return (w.groups() + groups - 1) / groups; };
  while (threads > 1 && groups > 1 && parts() * w.blocks * token_tasks < 4 * threads) groups = (groups + 1) / 2;
  const std::size_t block_parts = parts();
  parallel_for(block_parts * w.blocks * token_tasks, threads, [&](std::size_t task) {
    const std::size_t token = task / (block_parts * w.blocks) * tokens_at_a_time;
    const std::size_t block = task / block_parts % w.blocks;
    const std::size_t first = task % block_parts * groups;
    path.table_product(w, ids.data + token, tokens, std::min(tokens_at_a_time, tokens - token), block, first,
                       std::min(w.groups(), first + groups), out + token * w.rows);
  });
}

}  // namespace

/// packTableIds(threads, shape, ids, out); shape as in src/kernels/kernels.ts
Napi::Value pack_table_ids(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const unsigned threads = arguments.threads();
  TableProduct w{};
  if (!read_shape(arguments.array<std::uint32_t>(6, "shape"), w)) {
    throw Napi::RangeError::New(info.Env(), "shape is none of tables");
  }
  const std::uint8_t* ids = arguments.array<std::uint8_t>(w.positions() * w.rows, "ids");
  std::uint8_t* out = arguments.array<std::uint8_t>(w.id_bytes(), "out");
  std::atomic<bool> fit = true;
  parallel_for(w.blocks * w.groups(), threads, [&](std::size_t task) {
    const std::size_t block = task / w.groups(), group = task % w.groups();
    if (!pack_group(w, ids, block, group, out + task * w.steps() * w.step_bytes())) fit = false;
  });
  if (!fit) throw Napi::RangeError::New(info.Env(), "an id is beyond its codebook");
  return info.Env().Undefined();
}

/// tableProduct(path, threads, shape, input, inputCodebooks, packedIds, entries, scales, biases, out)
Napi::Value table_product(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  TableProduct w{};
  if (!read_shape(arguments.array<std::uint32_t>(6, "shape"), w)) {
    throw Napi::RangeError::New(info.Env(), "shape is none of tables");
  }
  std::size_t length;
  const float* input = arguments.array<float>("input", length);
  if (length % w.columns != 0) throw Napi::RangeError::New(info.Env(), "input holds no whole tokens");
  const std::size_t tokens = length / w.columns;
  const float* codebooks = arguments.array<float>(w.columns * w.inputs, "inputCodebooks");
  w.ids = arguments.array<std::uint8_t>(w.id_bytes(), "packedIds");
  w.entries = arguments.array<std::uint8_t>(w.positions() * w.blocks * w.inputs * w.centroids, "entries");
  w.scales = arguments.array<float>("scales", w.runs);
  if (w.runs == 0 || w.rows % w.runs != 0) throw Napi::RangeError::New(info.Env(), "scales do not divide the outputs");
  w.biases = arguments.array<float>(w.runs, "biases");
  float* out = arguments.array<float>(tokens * w.rows, "out");
  const bool brief = tokens * w.positions() * w.rows <= brief_lookups && tokens * w.columns * w.inputs <= brief_comparisons;
  return run_async(
      info,
      [=, &path] {
        if (tokens > 0) multiply(path, threads, w, codebooks, input, tokens, out);
      },
      brief);
}

}  // namespace luthier
