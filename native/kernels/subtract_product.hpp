// C[m, n] −= Σ_k A[k, m] · B[k, n] in float64: what Cholesky factors, triangular solves and error compensation are made of.
// Every entry meets its products one by one in the order of k, each rounded, so blocks and tiles change no bits.

#if defined(__AVX512F__)
constexpr int product_rows = 8, product_vectors = 3;
#elif defined(__AVX2__)
constexpr int product_rows = 4, product_vectors = 2;
#else
constexpr int product_rows = 4, product_vectors = 2;
#endif
constexpr int product_lanes = lanes / 2;
constexpr std::size_t product_columns = product_vectors * product_lanes;
constexpr std::size_t product_depth = 256;  // of packed tiles: both fit the caches

typedef double F64 __attribute__((vector_size(8 * product_lanes)));

/// `[depth][width]` of `count` columns from `from` on, with zeros beyond.
static inline void product_pack(const double* from, std::ptrdiff_t depth_step, std::ptrdiff_t step, std::size_t depth,
                                std::size_t count, std::size_t width, double* to) {
  for (std::size_t k = 0; k < depth; ++k, from += depth_step, to += width) {
    if (step == 1 && count == width) {
      __builtin_memcpy(to, from, width * sizeof(double));
    } else {
      for (std::size_t i = 0; i < width; ++i) to[i] = i < count ? from[(std::ptrdiff_t)i * step] : 0;
    }
  }
}

/// A whole tile of C, of packed A and B.
static void product_tile(const double* a, const double* b, std::size_t depth, double* c, std::size_t stride) {
  F64 sum[product_rows][product_vectors];
#pragma GCC unroll 8
  for (int i = 0; i < product_rows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < product_vectors; ++v) __builtin_memcpy(&sum[i][v], c + i * stride + v * product_lanes, sizeof(F64));
  }
  for (std::size_t k = 0; k < depth; ++k, a += product_rows, b += product_columns) {
    F64 columns[product_vectors];
#pragma GCC unroll 8
    for (int v = 0; v < product_vectors; ++v) __builtin_memcpy(&columns[v], b + v * product_lanes, sizeof(F64));
#pragma GCC unroll 8
    for (int i = 0; i < product_rows; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < product_vectors; ++v) sum[i][v] -= a[i] * columns[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < product_rows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < product_vectors; ++v) __builtin_memcpy(c + i * stride + v * product_lanes, &sum[i][v], sizeof(F64));
  }
}

/// A tile at the edge of C: it goes through a whole one.
static void product_edge(const double* a, const double* b, std::size_t depth, std::size_t rows, std::size_t columns,
                         double* c, std::size_t stride) {
  double whole[product_rows * product_columns]{};
  for (std::size_t i = 0; i < rows; ++i) {
    __builtin_memcpy(whole + i * product_columns, c + i * stride, columns * sizeof(double));
  }
  product_tile(a, b, depth, whole, product_columns);
  for (std::size_t i = 0; i < rows; ++i) {
    __builtin_memcpy(c + i * stride, whole + i * product_columns, columns * sizeof(double));
  }
}

static void subtract_product(const Product& task) {
  if (task.depth == 0 || task.rows == 0 || task.columns == 0) return;
  const std::size_t most = task.depth < product_depth ? task.depth : product_depth;
  auto* a = (double*)allocate(most * (task.rows + product_rows) * sizeof(double));
  auto* b = (double*)allocate(most * product_columns * sizeof(double));
  for (std::size_t from = 0; from < task.depth; from += product_depth) {
    const std::size_t depth = task.depth - from < product_depth ? task.depth - from : product_depth;
    const double* first_a = task.a + (std::ptrdiff_t)from * task.a_depth;
    const double* first_b = task.b + (std::ptrdiff_t)from * task.b_depth;
    for (std::size_t i = 0; i < task.rows; i += product_rows) {
      const std::size_t rows = task.rows - i < product_rows ? task.rows - i : product_rows;
      product_pack(first_a + (std::ptrdiff_t)i * task.a_row, task.a_depth, task.a_row, depth, rows, product_rows, a + i * depth);
    }
    for (std::size_t j = 0; j < task.columns; j += product_columns) {
      const std::size_t columns = task.columns - j < product_columns ? task.columns - j : product_columns;
      product_pack(first_b + j, task.b_depth, 1, depth, columns, product_columns, b);
      for (std::size_t i = 0; i < task.rows; i += product_rows) {
        const std::size_t rows = task.rows - i < product_rows ? task.rows - i : product_rows;
        double* c = task.c + i * task.c_row + j;
        if (rows == product_rows && columns == product_columns) {
          product_tile(a + i * depth, b, depth, c, task.c_row);
        } else {
          product_edge(a + i * depth, b, depth, rows, columns, c, task.c_row);
        }
      }
    }
  }
  release(a);
  release(b);
}

/// row −= Σ factor(k) · from(k), k = 0 … count − 1 in steps of `factor_step` and `step`: a row of C alone, nothing packed.
static inline void subtract_rows(const double* factors, std::ptrdiff_t factor_step, std::size_t count, const double* from,
                                 std::ptrdiff_t step, double* row, std::size_t columns) {
  constexpr int vectors = 8;
  std::size_t j = 0;
  for (; j + vectors * product_lanes <= columns; j += vectors * product_lanes) {
    F64 sum[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) __builtin_memcpy(&sum[v], row + j + v * product_lanes, sizeof(F64));
    for (std::size_t k = 0; k < count; ++k) {
      const double factor = factors[(std::ptrdiff_t)k * factor_step];
      const double* at = from + (std::ptrdiff_t)k * step + j;
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) {
        F64 values;
        __builtin_memcpy(&values, at + v * product_lanes, sizeof values);
        sum[v] -= factor * values;
      }
    }
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) __builtin_memcpy(row + j + v * product_lanes, &sum[v], sizeof(F64));
  }
  for (; j < columns; ++j) {
    double sum = row[j];
    for (std::size_t k = 0; k < count; ++k) {
      sum -= factors[(std::ptrdiff_t)k * factor_step] * from[(std::ptrdiff_t)k * step + (std::ptrdiff_t)j];
    }
    row[j] = sum;
  }
}
