// GPTVQ's loop over the positions of a batch, for the rows of one block. The reference, with the source and every rounding,
// is src/kernels/compensated-vectors.ts. Weights are transposed, so rows are lanes.

/// The z of z · U_pp = w for `count` points, w in its place.
template <int vector>
static void compensation_solve(const double* square, std::size_t stride, std::size_t count, double* w) {
  for (int j = 0; j < vector; ++j) {
    double* to = w + j * stride;
    for (int i = 0; i < j; ++i) {
      const double factor = square[i * vector + j];
      for (std::size_t n = 0; n < count; ++n) to[n] -= factor * w[i * stride + n];
    }
    const double pivot = square[j * vector + j];
    for (std::size_t n = 0; n < count; ++n) to[n] /= pivot;
  }
}

/// Writes the centroids w = z · U_pp, rounded to float32, and gives the z of what was written.
template <int vector>
static void compensation_store(const double* square, std::size_t centroids, const float* fitted, float* codebook,
                               double* stored) {
  // GCC 12 uses a number that was rounded and written as it was before, where it vectorizes both; not if read like this.
  const volatile float* written = codebook;
  for (std::size_t c = 0; c < centroids; ++c, fitted += vector, written += vector, stored += vector) {
    for (int j = 0; j < vector; ++j) {
      double w = 0;
      for (int i = 0; i <= j; ++i) w += fitted[i] * square[i * vector + j];
      codebook[c * vector + j] = (float)w;
      stored[j] = written[j];
    }
    compensation_solve<vector>(square, 1, 1, stored);
  }
}

/// Columns [first, last), whole positions, of the rows of `block`.
template <int vector>
static void compensate_positions(const Compensation& task, std::size_t first, std::size_t last, std::size_t block) {
  const std::size_t start = task.starts[block], count = task.starts[block + 1] - start;
  const std::size_t stride = centroid_stride(count);
  const std::size_t centroids = task.fit.centroids;
  const CentroidPoints points = centroid_points(count, stride, vector * stride);
  auto* z = (double*)allocate(vector * stride * sizeof(double));
  for (std::size_t i = 0; i < vector * stride; ++i) points.values[i] = 0;
  for (std::size_t column = first; column < last; column += vector) {
    const std::size_t position = column / vector;
    const double* square = task.squares + position * vector * vector;
    for (int i = 0; i < vector; ++i) {
      double* to = z + i * stride;
      __builtin_memcpy(to, task.rest + (column + i) * task.rows + start, count * sizeof(double));
      // What the columns of this batch before it ask for; those of batches before are in `rest`.
      if (task.factor) {
        subtract_rows(task.factor + first * task.columns + column + i, (std::ptrdiff_t)task.columns, column - first,
                      task.errors + start, (std::ptrdiff_t)task.rows, to, count);
      }
    }
    compensation_solve<vector>(square, stride, count, z);
    for (int i = 0; i < vector; ++i) {
      for (std::size_t n = 0; n < count; ++n) points.values[i * stride + n] = (float)z[i * stride + n];
    }
    RandomStream random;
    random.key(task.fit.seed);
    random.key((std::uint32_t)position);
    random.key((std::uint32_t)block);
    float fitted[256 * vector];
    double stored[256 * vector];
    fit_centroids<Euclid, vector>(points, task.fit, random, fitted);
    float* codebook = task.codebooks + (position * task.blocks + block) * centroids * vector;
    compensation_store<vector>(square, centroids, fitted, codebook, stored);
    for (std::size_t i = 0; i < centroids * vector; ++i) fitted[i] = (float)stored[i];
    centroid_cells<Euclid, vector>(points, fitted, centroids);
    std::uint8_t* ids = task.ids + position * task.rows;
    for (std::size_t n = 0; n < count; ++n) ids[task.order[start + n]] = points.ids[n];
    if (!task.factor) continue;
    for (int i = 0; i < vector; ++i) {
      double* error = task.errors + (column - first + i) * task.rows + start;
      for (std::size_t n = 0; n < count; ++n) error[n] = z[i * stride + n] - stored[points.ids[n] * vector + i];
    }
  }
  release(points.values);
  release(z);
}

static void compensate_batch(const Compensation& task, std::size_t first, std::size_t last, std::size_t block) {
  switch (task.fit.vector) {
    case 1: return compensate_positions<1>(task, first, last, block);
    case 2: return compensate_positions<2>(task, first, last, block);
    case 3: return compensate_positions<3>(task, first, last, block);
    case 4: return compensate_positions<4>(task, first, last, block);
    case 5: return compensate_positions<5>(task, first, last, block);
    case 6: return compensate_positions<6>(task, first, last, block);
    case 7: return compensate_positions<7>(task, first, last, block);
    default: return compensate_positions<8>(task, first, last, block);
  }
}
