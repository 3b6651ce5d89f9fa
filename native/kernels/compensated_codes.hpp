// GPTQ's loop over the columns of a batch, for some rows. The reference, with the source and every rounding, is
// src/kernels/compensated-codes.ts. Weights are transposed, so rows are lanes.

typedef std::int64_t I64 __attribute__((vector_size(8 * product_lanes)));

/// Codes and levels of `count` weights by counting the middles that they reach, all lanes through all levels.
static inline void codes_by_counting(const float* table, std::size_t stride, std::size_t levels, const double* weights,
                                     std::size_t count, std::uint8_t* codes, double* taken) {
  std::size_t n = 0;
  for (; n + product_lanes <= count; n += product_lanes) {
    F64 weight;
    __builtin_memcpy(&weight, weights + n, sizeof weight);
    F32Half level;
    __builtin_memcpy(&level, table + n, sizeof level);
    F64 low = __builtin_convertvector(level, F64), nearest = low;
    I64 code{};
    for (std::size_t l = 1; l < levels; ++l) {
      __builtin_memcpy(&level, table + l * stride + n, sizeof level);
      const F64 high = __builtin_convertvector(level, F64);
      const I64 reached = weight >= (low + high) * 0.5;
      code -= reached;
      nearest = reached ? high : nearest;
      low = high;
    }
    __builtin_memcpy(taken + n, &nearest, sizeof nearest);
    for (int lane = 0; lane < product_lanes; ++lane) codes[n + lane] = (std::uint8_t)code[lane];
  }
  for (; n < count; ++n) {
    std::size_t code = 0;
    for (std::size_t l = 1; l < levels; ++l) {
      code += weights[n] >= ((double)table[(l - 1) * stride + n] + (double)table[l * stride + n]) * 0.5;
    }
    codes[n] = (std::uint8_t)code;
    taken[n] = table[code * stride + n];
  }
}

/// The same by halving what is left of the levels, all weights a step at a time.
static inline void codes_by_halving(const float* table, std::size_t stride, std::size_t levels, const double* weights,
                                    std::size_t count, std::uint8_t* codes, double* taken) {
  for (std::size_t n = 0; n < count; ++n) codes[n] = 0;
  std::size_t step = 1;
  while (step * 2 < levels) step *= 2;
  for (; step > 0; step /= 2) {
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t next = codes[n] + step;
      const std::size_t at = next < levels ? next : levels - 1;
      const double middle = ((double)table[(at - 1) * stride + n] + (double)table[at * stride + n]) * 0.5;
      codes[n] = (std::uint8_t)(next < levels && weights[n] >= middle ? next : codes[n]);
    }
  }
  for (std::size_t n = 0; n < count; ++n) taken[n] = table[codes[n] * stride + n];
}

/// Up to so many levels counting is quicker.
constexpr std::size_t most_counted = 16;

/// Columns [first, last) of the rows [row, row_end); errors of `first` are at the start of task.errors.
static void compensated_codes(const CompensatedCodes& task, std::size_t first, std::size_t last, std::size_t row,
                              std::size_t row_end) {
  const std::size_t count = row_end - row;
  auto* taken = (double*)allocate(count * sizeof(double));
  for (std::size_t column = first; column < last; ++column) {
    double* weights = task.rest + column * task.rows + row;
    // What the columns of this batch before it ask for; those of batches before are in `rest`.
    subtract_rows(task.factor + first * task.columns + column, (std::ptrdiff_t)task.columns, column - first,
                  task.errors + row, (std::ptrdiff_t)task.rows, weights, count);
    const float* table = task.tables + (std::size_t)task.table_of[column] * task.levels * task.rows + row;
    std::uint8_t* codes = task.codes + column * task.rows + row;
    if (task.levels <= most_counted) {
      codes_by_counting(table, task.rows, task.levels, weights, count, codes, taken);
    } else {
      codes_by_halving(table, task.rows, task.levels, weights, count, codes, taken);
    }
    const double pivot = task.factor[column * task.columns + column];
    double* errors = task.errors + (column - first) * task.rows + row;
    for (std::size_t n = 0; n < count; ++n) errors[n] = (weights[n] - taken[n]) / pivot;
  }
  release(taken);
}
