// Steps of a Cholesky factor A = RᵀR and of solves with it. The reference, with the order of every entry's products, is
// src/kernels/cholesky.ts. R is row-major, its columns are lanes.

/// Takes `count` rows from a row and divides what is left by the pivot.
static inline void cholesky_row(const double* factors, std::ptrdiff_t factor_step, double pivot, std::size_t count,
                                const double* first, std::ptrdiff_t step, double* row, std::size_t columns) {
  subtract_rows(factors, factor_step, count, first, step, row, columns);
  for (std::size_t j = 0; j < columns; ++j) row[j] /= pivot;
}

/// Rows [first, last) of the Y of RᵀY = B, B in its place, once those before are found. `from`: rows before it are zero.
static void cholesky_forward(const double* r, std::size_t size, std::size_t from, std::size_t first, std::size_t last,
                             double* y, std::size_t stride, std::size_t columns) {
  const auto row_step = (std::ptrdiff_t)size, y_step = (std::ptrdiff_t)stride;
  subtract_product({r + from * size + first, row_step, 1, y + from * stride, y_step, y + first * stride, stride,
                    first - from, last - first, columns});
  for (std::size_t i = first; i < last; ++i) {
    cholesky_row(r + first * size + i, row_step, r[i * size + i], i - first, y + first * stride, y_step, y + i * stride,
                 columns);
  }
}

/// Rows [first, last) of the X of R X = Y, Y in its place, once those after are found.
static void cholesky_backward(const double* r, std::size_t size, std::size_t first, std::size_t last, double* y,
                              std::size_t stride, std::size_t columns) {
  const auto row_step = (std::ptrdiff_t)size, y_step = (std::ptrdiff_t)stride;
  const double* end = y + (size - 1) * stride;
  subtract_product({r + first * size + size - 1, -1, row_step, end, -y_step, y + first * stride, stride, size - last,
                    last - first, columns});
  for (std::size_t i = last; i-- > first;) {
    cholesky_row(r + i * size + last - 1, -1, r[i * size + i], last - 1 - i, y + (last - 1) * stride, -y_step,
                 y + i * stride, columns);
  }
}

/// The square on the diagonal, rows and columns [first, last) of A, once the rows of R before are found. False where a
/// pivot is not positive and finite.
static bool cholesky_diagonal(double* a, std::size_t size, std::size_t first, std::size_t last) {
  const auto step = (std::ptrdiff_t)size;
  subtract_product({a + first, step, 1, a + first, step, a + first * size + first, size, first, last - first, last - first});
  for (std::size_t k = first; k < last; ++k) {
    const double pivot = a[k * size + k];
    if (!(pivot > 0 && pivot < __builtin_inf())) return false;
    const double root = __builtin_sqrt(pivot);
    a[k * size + k] = root;
    for (std::size_t j = k + 1; j < last; ++j) a[k * size + j] /= root;
    for (std::size_t i = k + 1; i < last; ++i) {
      const double factor = a[k * size + i];
      for (std::size_t j = i; j < last; ++j) a[i * size + j] -= factor * a[k * size + j];
    }
  }
  return true;
}
