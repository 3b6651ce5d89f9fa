// GPTQ's loop as seen from JavaScript; the reference is src/kernels/compensated-codes.ts.
#include "bind.hpp"
#include "bindings.hpp"
#include "compensation.hpp"

#include <vector>

namespace luthier {
namespace {

/// Rows that go through a batch of columns at once: their errors stay in the cache.
constexpr std::size_t task_rows = 128;

}  // namespace

/// compensatedCodes(path, threads, shape, factor, tables, tableOf, rest, codes); shape as in src/kernels/kernels.ts
Napi::Value compensated_codes(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  const std::uint32_t* shape = arguments.array<std::uint32_t>(6, "shape");
  const std::size_t rows = shape[0], columns = shape[1], first = shape[2], last = shape[3], levels = shape[4];
  const std::size_t tables = shape[5];
  if (rows < 1 || columns < 1 || columns > 1u << 16 || first > last || last > columns || levels < 1 || levels > 256 ||
      tables > 1u << 16) {
    throw Napi::RangeError::New(info.Env(), "shape is none of columns and levels");
  }
  const double* factor = arguments.array<double>(columns * columns, "factor");
  const float* table = arguments.array<float>(tables * levels * rows, "tables");
  const auto* table_of = arguments.array<std::int32_t>(last - first, "tableOf");
  double* rest = arguments.array<double>(columns * rows, "rest");
  auto* codes = arguments.array<std::uint8_t>((last - first) * rows, "codes");
  for (std::size_t column = 0; column < last - first; ++column) {
    if (table_of[column] < 0 || static_cast<std::size_t>(table_of[column]) >= tables) {
      throw Napi::RangeError::New(info.Env(), "a table of tableOf is beyond them");
    }
  }
  return run_async(info, [=, &path] {
    std::vector<double> errors(rows * std::min(batch_columns, last - first));
    // Columns of the call, counted from its first: the factor's rows and columns before it have no part in it.
    const CompensatedCodes task{rows,     columns, levels, factor + first * columns + first, table, table_of,
                                rest + first * rows, errors.data(), codes};
    for (std::size_t from = first; from < last; from += batch_columns) {
      const std::size_t to = std::min(last, from + batch_columns);
      parallel_for(tasks_of(rows, task_rows), threads, [&](std::size_t index) {
        const std::size_t row = index * task_rows;
        path.compensated_codes(task, from - first, to - first, row, std::min(rows, row + task_rows));
      });
      compensate_later(path, threads, {rows, columns, factor, errors.data(), rest}, from, to);
    }
  });
}

}  // namespace luthier
