// Products with tables of two dimensions: the input's centroid picks a row, the ids of the outputs pick its entries. The
// reference is src/kernels/table-product.ts.
#include "table_lookups.hpp"

/// Rows that are gathered at a time, for all outputs of a task; they stay in the first cache.
constexpr std::size_t gathered_bytes = 32768;

/// One call's share of a product.
struct TableTask {
  const TableProduct& weight;
  const std::uint8_t* input_ids;
  std::size_t ids_stride, block, first, last;
  std::uint8_t* rows;
  std::int32_t* sums;  // [tokens][outputs]

  std::size_t outputs() const { return (last - first) * 32; }
  std::size_t row_bytes() const { return weight.narrow() ? 16 : 256; }

  /// The rows of `tokens` tokens at the positions of some steps: [tokens][steps][positions][row_bytes].
  void gather(std::size_t token, std::size_t tokens, std::size_t step, std::size_t steps) const {
    const std::size_t at = step * weight.step_positions();
    const std::size_t wanted = steps * weight.step_positions();
    const std::size_t left = weight.positions() - at;
    const std::size_t positions = left < wanted ? left : wanted;
    const std::size_t table = weight.inputs * weight.centroids;
    for (std::size_t t = 0; t < tokens; ++t) {
      std::uint8_t* to = rows + t * wanted * row_bytes();
      const std::uint8_t* from = weight.entries + (at * weight.blocks + block) * table;
      const std::uint8_t* ids = input_ids + at * ids_stride + token + t;
      for (std::size_t i = 0; i < positions; ++i, to += row_bytes(), from += weight.blocks * table, ids += ids_stride) {
        if (weight.centroids == 16) {
          __builtin_memcpy(to, from + *ids * 16, 16);
        } else {
          __builtin_memcpy(to, from + *ids * weight.centroids, weight.centroids);
        }
      }
      // What a damaged id or a position that is none would read is 0.
      if (positions < wanted) __builtin_memset(to, 0, (wanted - positions) * row_bytes());
    }
  }

  template <int tokens>
  void add(std::size_t token, std::size_t step, std::size_t steps) const {
    gather(token, tokens, step, steps);
    const std::size_t step_bytes = weight.step_bytes();
    for (std::size_t group = first; group < last; ++group) {
      const std::uint8_t* ids = weight.ids + ((block * weight.groups() + group) * weight.steps() + step) * step_bytes;
      std::int32_t* to = sums + token * outputs() + (group - first) * 32;
      if (weight.narrow()) {
        table_lookups<tokens>(ids, rows, steps, to, outputs());
      } else {
        table_lookups_wide(ids, rows, steps, to);
      }
    }
  }

  /// All steps of `tokens` tokens from `token` on, as many steps at a time as the rows have room for.
  template <int tokens>
  std::size_t add_all(std::size_t token, std::size_t until, std::size_t step, std::size_t steps) const {
    for (; token + tokens <= until; token += tokens) add<tokens>(token, step, steps);
    if constexpr (tokens > 1) token = add_all<tokens / 2>(token, until, step, steps);
    return token;
  }
};

/// `sum · scale − bias`, both rounded.
static void scale_sums(const TableTask& task, std::size_t tokens, float* out) {
  const TableProduct& w = task.weight;
  const std::size_t run = w.rows / w.runs;
  const std::size_t from = task.first * 32;
  const std::size_t until = task.last * 32 < w.block_rows() ? task.last * 32 : w.block_rows();
  for (std::size_t t = 0; t < tokens; ++t) {
    const std::int32_t* sums = task.sums + t * task.outputs() - from;
    float* to = out + t * w.rows + task.block * w.block_rows();
    for (std::size_t output = from; output < until;) {
      const std::size_t at = (task.block * w.block_rows() + output) / run;
      const std::size_t end = (at + 1) * run - task.block * w.block_rows();
      const float scale = w.scales[at], bias = w.biases[at];
      for (; output < until && output < end; ++output) to[output] = (float)sums[output] * scale - bias;
    }
  }
}

static void table_product(const TableProduct& weight, const std::uint8_t* input_ids, std::size_t stride,
                          std::size_t tokens, std::size_t block, std::size_t first, std::size_t last, float* out) {
  TableTask task{weight, input_ids, stride, block, first, last, nullptr, nullptr};
  const std::size_t side_by_side = !weight.narrow() ? 1 : tokens < table_most_tokens ? tokens : table_most_tokens;
  const std::size_t row_bytes = weight.step_positions() * task.row_bytes();
  const std::size_t room = gathered_bytes / (side_by_side * row_bytes);
  const std::size_t sum_bytes = tokens * task.outputs() * sizeof(std::int32_t);
  task.rows = (std::uint8_t*)allocate(gathered_bytes);
  task.sums = (std::int32_t*)allocate(sum_bytes);
  __builtin_memset(task.rows, 0, gathered_bytes);
  __builtin_memset(task.sums, 0, sum_bytes);
  for (std::size_t step = 0; step < weight.steps(); step += room) {
    const std::size_t steps = weight.steps() - step < room ? weight.steps() - step : room;
    if (weight.narrow()) {
      task.add_all<table_most_tokens>(0, tokens, step, steps);
    } else {
      task.add_all<1>(0, tokens, step, steps);
    }
  }
  scale_sums(task, tokens, out);
  release(task.sums);
  release(task.rows);
}
