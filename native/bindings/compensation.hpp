#pragma once
#include <algorithm>
#include <cstddef>

#include "paths.hpp"
#include "pool.hpp"

// What kernels that make up for errors have in common: columns go in batches, and what a batch asks of the columns after it
// is one product (GPTQ's lazy batches, arXiv 2210.17323 §3.3).
namespace luthier {

constexpr std::size_t batch_columns = 128;

inline std::size_t tasks_of(std::size_t length, std::size_t each) { return (length + each - 1) / each; }

/// Errors of a batch, and the weights that they are handed on to.
struct Errors {
  std::size_t rows, columns;
  const double* factor;  // U [columns][columns]
  const double* errors;  // [columns of a batch][rows]
  double* rest;          // [columns][rows]
};

/// What the errors of columns [first, last) ask of those after.
inline void compensate_later(const Path& path, unsigned threads, const Errors& task, std::size_t first, std::size_t last) {
  constexpr std::size_t task_columns = 128, task_rows = 384;
  const std::size_t across = tasks_of(task.rows, task_rows);
  const auto columns = static_cast<std::ptrdiff_t>(task.columns), rows = static_cast<std::ptrdiff_t>(task.rows);
  parallel_for(tasks_of(task.columns - last, task_columns) * across, threads, [&](std::size_t index) {
    const std::size_t column = last + index / across * task_columns, row = index % across * task_rows;
    path.subtract_product({task.factor + first * task.columns + column, columns, 1, task.errors + row, rows,
                           task.rest + column * task.rows + row, task.rows, last - first,
                           std::min(task_columns, task.columns - column), std::min(task_rows, task.rows - row)});
  });
}

}  // namespace luthier
