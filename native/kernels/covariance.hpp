// Second moments: Σ left[t, i] · right[t, j]. The reference, with the order of the sums, is src/kernels/covariance.ts.
// A tile of sums stays in registers for a run of tokens; its columns are lanes.

constexpr std::size_t covariance_run = 64;
constexpr std::size_t covariance_chunk = 4 * covariance_run;  // tokens that are packed at once

#if defined(__AVX512F__)
constexpr int covariance_rows = 6, covariance_vectors = 4;
#elif defined(__AVX2__)
constexpr int covariance_rows = 4, covariance_vectors = 2;
#else
constexpr int covariance_rows = 4, covariance_vectors = 2;
#endif
constexpr std::size_t covariance_columns = covariance_vectors * lanes;

/// Columns [first, last) of some tokens as tiles of `width` columns, `[tile][tokens][width]`, with zeros beyond the last.
static void covariance_pack(const float* from, std::size_t stride, std::size_t tokens, std::size_t first,
                            std::size_t last, std::size_t width, float* to) {
  for (std::size_t column = first; column < last; column += width) {
    const std::size_t count = last - column < width ? last - column : width;
    for (std::size_t token = 0; token < tokens; ++token, to += width) {
      __builtin_memcpy(to, from + token * stride + column, count * sizeof(float));
      for (std::size_t i = count; i < width; ++i) to[i] = 0;
    }
  }
}

/// Adds a whole tile of packed tokens to its sums, `stride` apart.
static void covariance_tile(const float* left, const float* right, std::size_t tokens, double* sums,
                            std::size_t stride) {
  for (std::size_t from = 0; from < tokens; from += covariance_run) {
    const std::size_t to = tokens - from < covariance_run ? tokens : from + covariance_run;
    F32 sum[covariance_rows][covariance_vectors]{};
    for (std::size_t token = from; token < to; ++token) {
      F32 columns[covariance_vectors];
#pragma GCC unroll 8
      for (int v = 0; v < covariance_vectors; ++v) {
        __builtin_memcpy(&columns[v], right + token * covariance_columns + v * lanes, sizeof(F32));
      }
#pragma GCC unroll 8
      for (int i = 0; i < covariance_rows; ++i) {
        const float factor = left[token * covariance_rows + i];
#pragma GCC unroll 8
        for (int v = 0; v < covariance_vectors; ++v) sum[i][v] += factor * columns[v];
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < covariance_rows; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < covariance_vectors; ++v) {
        double* at = sums + i * stride + v * lanes;
        Sum total;
        __builtin_memcpy(&total.low, at, sizeof total.low);
        __builtin_memcpy(&total.high, at + lanes / 2, sizeof total.high);
        total.add(sum[i][v]);
        __builtin_memcpy(at, &total.low, sizeof total.low);
        __builtin_memcpy(at + lanes / 2, &total.high, sizeof total.high);
      }
    }
  }
}

/// A tile at the edge: its sums go through a whole one.
static void covariance_edge(const float* left, const float* right, std::size_t tokens, std::size_t rows,
                            std::size_t columns, double* sums, std::size_t stride) {
  double whole[covariance_rows * covariance_columns]{};
  for (std::size_t i = 0; i < rows; ++i) {
    __builtin_memcpy(whole + i * covariance_columns, sums + i * stride, columns * sizeof(double));
  }
  covariance_tile(left, right, tokens, whole, covariance_columns);
  for (std::size_t i = 0; i < rows; ++i) {
    __builtin_memcpy(sums + i * stride, whole + i * covariance_columns, columns * sizeof(double));
  }
}

/// The sums of rows [row, row_end) and columns [column, column_end). `upper`: those left of the diagonal are not wanted.
static void add_covariance(const Covariance& task, std::size_t row, std::size_t row_end, std::size_t column,
                           std::size_t column_end, bool upper) {
  const std::size_t height = row_end - row + covariance_rows, width = column_end - column + covariance_columns;
  auto* left = (float*)allocate(covariance_chunk * height * sizeof(float));
  auto* right = (float*)allocate(covariance_chunk * width * sizeof(float));
  for (std::size_t token = 0; token < task.tokens; token += covariance_chunk) {
    const std::size_t tokens = task.tokens - token < covariance_chunk ? task.tokens - token : covariance_chunk;
    covariance_pack(task.left + token * task.height, task.height, tokens, row, row_end, covariance_rows, left);
    covariance_pack(task.right + token * task.width, task.width, tokens, column, column_end, covariance_columns, right);
    for (std::size_t j = column; j < column_end; j += covariance_columns) {
      const std::size_t columns = column_end - j < covariance_columns ? column_end - j : covariance_columns;
      for (std::size_t i = row; i < row_end; i += covariance_rows) {
        if (upper && j + columns <= i) break;
        const std::size_t rows = row_end - i < covariance_rows ? row_end - i : covariance_rows;
        const float* lefts = left + (i - row) * tokens;
        const float* rights = right + (j - column) * tokens;
        double* sums = task.sums + i * task.width + j;
        if (rows == covariance_rows && columns == covariance_columns) {
          covariance_tile(lefts, rights, tokens, sums, task.width);
        } else {
          covariance_edge(lefts, rights, tokens, rows, columns, sums, task.width);
        }
      }
    }
  }
  release(left);
  release(right);
}
