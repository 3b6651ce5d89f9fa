// Round-to-nearest on a register of runs at once. The reference, with the sources, is src/kernels/round-to-nearest.ts.

struct Grid {
  F32 scale, zero_point, low, high;
};

static inline F32 clamp(F32 x, F32 low, F32 high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

static inline F32 stored_scale(F32 scale) {
  F32 stored;
  for (int lane = 0; lane < lanes; ++lane) {
    const float value = to_float16_value(scale[lane]);
    stored[lane] = value > 0x1p-24f ? value : 0x1p-24f;
  }
  return stored;
}

static inline Grid grid_for(F32 min, F32 max, float shrink, const RoundToNearest& task) {
  const F32 low = shrink * min;
  const F32 high = shrink * max;
  if (task.symmetric) {
    const float steps = (float)((1 << (task.bits - 1)) - 1);
    const float zero_point = (float)(1 << (task.bits - 1));
    return {stored_scale(high / steps), splat(zero_point), splat(zero_point - steps), splat(zero_point + steps)};
  }
  const float steps = (float)((1 << task.bits) - 1);
  const F32 scale = stored_scale((high - low) / steps);
  return {scale, clamp(round_half_to_even(-low / scale), F32{}, splat(steps)), F32{}, splat(steps)};
}

static inline F32 codes_of(F32 w, const Grid& grid) {
  return clamp(round_half_to_even(w / grid.scale) + grid.zero_point, grid.low, grid.high);
}

/// |e|^2.4 = e² · (e²)^(1/5), the fifth root by three Newton steps from the exponent bits.
static inline F32 power_two_point_four(F32 error) {
  const F32 a = error * error;
  const F32 fifth = splat(0.2f);
  const F32 scaled = __builtin_convertvector((I32)a, F32) * fifth;
  F32 y = (F32)(__builtin_convertvector(scaled, I32) + splat_int(852000000));
  for (int step = 0; step < 3; ++step) {
    const F32 square = y * y;
    y = (4.0f * y + a / (square * square)) * fifth;
  }
  return a * y;
}

static inline Sum error_of(const float* w, std::size_t group, const Grid& grid) {
  Sum sum;
  for (std::size_t i = 0; i < group; ++i) {
    const F32 value = *(const F32*)(w + i * lanes);
    const F32 dequantized = grid.scale * (codes_of(value, grid) - grid.zero_point);
    sum.add(power_two_point_four(dequantized - value));
  }
  return sum;
}

static inline Grid least_error_grid(const float* w, F32 min, F32 max, const RoundToNearest& task) {
  Grid best = grid_for(min, max, 1.0f, task);
  const Sum first = error_of(w, task.group, best);
  double least[lanes];
  for (int lane = 0; lane < lanes; ++lane) least[lane] = first[lane];
  for (int i = 1; i < 80; ++i) {
    const Grid grid = grid_for(min, max, (float)(1.0 - i / 100.0), task);
    const Sum error = error_of(w, task.group, grid);
    for (int lane = 0; lane < lanes; ++lane) {
      if (error[lane] < least[lane]) {
        least[lane] = error[lane];
        best.scale[lane] = grid.scale[lane];
        best.zero_point[lane] = grid.zero_point[lane];
      }
    }
  }
  return best;
}

static void round_to_nearest(const RoundToNearest& task, const float* weights, std::size_t first, std::size_t last,
                             std::uint8_t* codes, float* scales, std::uint8_t* zero_points) {
  float* w = (float*)__builtin_assume_aligned(allocate(task.group * lanes * sizeof(float)), 64);
  for (std::size_t run = first; run < last; run += lanes) {
    const std::size_t count = last - run < lanes ? last - run : lanes;
    gather_runs(weights, task.group, run, count, w);

    F32 min{}, max{};
    for (std::size_t i = 0; i < task.group; ++i) {
      const F32 value = *(const F32*)(w + i * lanes);
      min = value < min ? value : min;
      max = value > max ? value : max;
    }
    const I32 empty = (min == 0.0f) & (max == 0.0f);
    min = empty ? splat(-1.0f) : min;
    max = empty ? splat(1.0f) : max;
    if (task.symmetric) {
      max = -min > max ? -min : max;
      min = -max;
    }

    const Grid grid = task.clip ? least_error_grid(w, min, max, task) : grid_for(min, max, 1.0f, task);
    for (std::size_t lane = 0; lane < count; ++lane) {
      scales[run + lane] = grid.scale[lane];
      if (zero_points) zero_points[run + lane] = (std::uint8_t)grid.zero_point[lane];
    }
    for (std::size_t i = 0; i < task.group; ++i) {
      const I32 code = __builtin_convertvector(codes_of(*(const F32*)(w + i * lanes), grid), I32);
      for (std::size_t lane = 0; lane < count; ++lane) {
        codes[(run + lane) * task.group + i] = (std::uint8_t)code[lane];
      }
    }
  }
  release(w);
}
