// GPTVQ as seen from JavaScript; the reference is src/kernels/compensated-vectors.ts. Columns go in batches: a block's
// rows are independent of all others within one, and what a batch asks of the columns after it is one product (GPTQ's
// lazy batches, arXiv 2210.17323 §3.3).
#include "bind.hpp"
#include "bindings.hpp"
#include "compensation.hpp"
#include "pool.hpp"

#include <algorithm>

namespace luthier {
namespace {

/// Rows that are transposed at once.
constexpr std::size_t transposed_rows = 32;

/// What the loop works on besides the arrays of the call.
struct Work {
  Work(std::size_t rows, std::size_t columns, std::size_t blocks)
      : order(rows), starts(blocks + 1), rest(rows * columns), errors(rows * batch_columns) {}

  std::vector<std::uint32_t> order;
  std::vector<std::size_t> starts;
  std::vector<double> rest, errors;
};

/// Rows in the order of their blocks, and where each block starts.
void sort_rows(const std::int32_t* block_of_row, Work& work) {
  const std::size_t rows = work.order.size();
  for (std::size_t row = 0; row < rows; ++row) ++work.starts[block_of_row[row] + 1];
  for (std::size_t block = 1; block < work.starts.size(); ++block) work.starts[block] += work.starts[block - 1];
  std::vector<std::size_t> next(work.starts);
  for (std::size_t row = 0; row < rows; ++row) work.order[next[block_of_row[row]]++] = static_cast<std::uint32_t>(row);
}

void transpose(const Compensation& task, const float* weight, unsigned threads) {
  parallel_for(tasks_of(task.rows, transposed_rows), threads, [&](std::size_t index) {
    const std::size_t first = index * transposed_rows, last = std::min(task.rows, first + transposed_rows);
    for (std::size_t column = 0; column < task.columns; ++column) {
      for (std::size_t n = first; n < last; ++n) {
        task.rest[column * task.rows + n] = weight[task.order[n] * task.columns + column];
      }
    }
  });
}

}  // namespace

/// compensatedVectors(path, threads, shape, weight, blockOfRow, factor, squares, ids, codebooks); shape as in
/// src/kernels/kernels.ts, factor is empty without compensation
Napi::Value compensated_vectors(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::uint32_t* shape = arguments.array<std::uint32_t>(8, "shape");
  Compensation task{};
  task.rows = shape[0];
  task.columns = shape[1];
  task.blocks = shape[2];
  task.fit = {shape[3], shape[4], shape[5], shape[6], shape[7]};
  if (task.rows < 1 || task.columns < 1 || task.columns > 1u << 16 || task.blocks < 1 || task.blocks > task.rows ||
      !sound(task.fit, task.columns)) {
    throw Napi::RangeError::New(info.Env(), "shape is none of vectors");
  }
  const std::size_t positions = task.columns / task.fit.vector;
  const float* weight = arguments.array<float>(task.rows * task.columns, "weight");
  const auto* block_of_row = arguments.array<std::int32_t>(task.rows, "blockOfRow");
  std::size_t factor_length;
  task.factor = arguments.array<double>("factor", factor_length);
  if (factor_length == 0) {
    task.factor = nullptr;
  } else if (factor_length != task.columns * task.columns) {
    throw Napi::RangeError::New(info.Env(), "factor is not square");
  }
  task.squares = arguments.array<double>(task.columns * task.fit.vector, "squares");
  task.ids = arguments.array<std::uint8_t>(positions * task.rows, "ids");
  task.codebooks = arguments.array<float>(task.columns * task.blocks * task.fit.centroids, "codebooks");
  for (std::size_t row = 0; row < task.rows; ++row) {
    if (block_of_row[row] < 0 || static_cast<std::size_t>(block_of_row[row]) >= task.blocks) {
      throw Napi::RangeError::New(info.Env(), "a block of blockOfRow is beyond them");
    }
  }
  return run_async(info, [=, &path]() mutable {
    Work work(task.rows, task.columns, task.blocks);
    sort_rows(block_of_row, work);
    task.order = work.order.data();
    task.starts = work.starts.data();
    task.rest = work.rest.data();
    task.errors = work.errors.data();
    transpose(task, weight, threads);
    const std::size_t batch = batch_columns / task.fit.vector * task.fit.vector;
    for (std::size_t first = 0; first < task.columns; first += batch) {
      const std::size_t last = std::min(task.columns, first + batch);
      parallel_for(task.blocks, threads, [&](std::size_t block) {
        if (task.starts[block] < task.starts[block + 1]) path.compensate_batch(task, first, last, block);
      });
      if (task.factor) {
        compensate_later(path, threads, {task.rows, task.columns, task.factor, task.errors, task.rest}, first, last);
      }
    }
  });
}

}  // namespace luthier
