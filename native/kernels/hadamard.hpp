// Rows times an orthonormal Hadamard matrix. The reference, with the order of every sum, is src/kernels/hadamard.ts.

/// Neighbouring values whose sums are held in registers.
constexpr std::size_t hadamard_strip = 4 * lanes;

/// Outputs [first, first + count) of one core's output j: sums of ± `order` inputs that lie `stride` apart.
static void hadamard_sums(const double* from, const std::int8_t* signs, std::size_t order, std::size_t stride,
                          std::size_t count, double* to) {
  double sums[hadamard_strip]{};
  if (count == hadamard_strip) {
    for (std::size_t i = 0; i < order; ++i) {
      const double sign = signs[i * order];
      const double* values = from + i * stride;
      for (std::size_t at = 0; at < hadamard_strip; ++at) sums[at] += sign * values[at];
    }
  } else {
    for (std::size_t i = 0; i < order; ++i) {
      const double sign = signs[i * order];
      const double* values = from + i * stride;
      for (std::size_t at = 0; at < count; ++at) sums[at] += sign * values[at];
    }
  }
  for (std::size_t at = 0; at < count; ++at) to[at] = sums[at];
}

static void hadamard_core(const double* run, std::size_t size, const std::int8_t* signs, std::size_t order,
                          std::size_t stride, double* out) {
  for (std::size_t first = 0; first < size; first += order * stride) {
    for (std::size_t at = 0; at < stride; at += hadamard_strip) {
      const std::size_t count = stride - at < hadamard_strip ? stride - at : hadamard_strip;
      for (std::size_t j = 0; j < order; ++j) {
        hadamard_sums(run + first + at, signs + j, order, stride, count, out + first + j * stride + at);
      }
    }
  }
}

static void hadamard_butterflies(double* run, std::size_t size, std::size_t half) {
  for (std::size_t first = 0; first < size; first += 2 * half) {
    double *low = run + first, *high = low + half;
    for (std::size_t i = 0; i < half; ++i) {
      const double a = low[i], b = high[i];
      low[i] = a + b;
      high[i] = a - b;
    }
  }
}

/// Runs [first, last) of all rows' runs of `size` values.
static void hadamard(const Hadamard& task, std::size_t first, std::size_t last) {
  const std::size_t size = task.size, runs_of_row = task.columns / size;
  const double scale = 1 / __builtin_sqrt((double)size);
  auto* memory = (double*)allocate(2 * size * sizeof(double));
  double *run = memory, *other = memory + size;
  for (std::size_t index = first; index < last; ++index) {
    const float* from = task.values + index * size;
    for (std::size_t i = 0; i < size; ++i) run[i] = from[i];
    if (task.factors) {
      const float* factors = task.factors + index % runs_of_row * size;
      for (std::size_t i = 0; i < size; ++i) run[i] *= factors[i];
    }
    std::size_t stride = size;
    const std::int8_t* signs = task.signs;
    for (std::size_t core = 0; core < task.cores; ++core) {
      const std::size_t order = task.orders[core];
      stride /= order;
      hadamard_core(run, size, signs, order, stride, other);
      signs += order * order;
      double* swapped = run;
      run = other;
      other = swapped;
    }
    for (std::size_t half = 1; half < stride; half *= 2) hadamard_butterflies(run, size, half);
    float* to = task.out + index * size;
    for (std::size_t i = 0; i < size; ++i) to[i] = (float)(run[i] * scale);
  }
  release(memory);
}
