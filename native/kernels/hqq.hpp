// HQQ on a register of runs at once. The reference, with the source of each step, is src/kernels/hqq.ts.

static inline F32 hqq_code(F32 steps, F32 zero, F32 most) {
  return clamp(round_half_to_even(steps + zero), F32{}, most);
}

/// x^−0.3 by four Newton steps from the exponent bits.
static inline F32 power_minus_three_tenths(F32 x) {
  const F32 bounded = clamp(x, splat(0x1p-10f), splat(0x1p20f));
  const F32 a = bounded * bounded * bounded;
  const F32 tenth = splat(0.1f);
  const F32 scaled = __builtin_convertvector((I32)a, F32) * tenth;
  F32 y = (F32)(splat_int(1171450000) - __builtin_convertvector(scaled, I32));
  for (int step = 0; step < 4; ++step) {
    const F32 square = y * y;
    const F32 fourth = square * square;
    const F32 tenth_power = fourth * fourth * square;
    y = y * (1.1f - tenth * (a * tenth_power));
  }
  return y;
}

/// sign(e) · max(|e| − |e|^−0.3 / β, 0).
static inline F32 hqq_shrunk(F32 error) {
  const F32 magnitude = absolute(error);
  const F32 rest = magnitude - power_minus_three_tenths(magnitude) * splat(0.1f);
  const F32 signed_rest = error < 0.0f ? -rest : rest;
  return rest > 0.0f ? signed_rest : F32{};
}

static inline F32 load_lanes(const float* from, std::size_t count) {
  F32 out;
  for (int lane = 0; lane < lanes; ++lane) out[lane] = from[(std::size_t)lane < count ? (std::size_t)lane : count - 1];
  return out;
}

/// The range of each lane's run, and its least weight.
static inline F32 hqq_range(const float* w, std::size_t group, F32* least = nullptr) {
  F32 min = *(const F32*)w, max = min;
  for (std::size_t i = 0; i < group; ++i) {
    const F32 value = *(const F32*)(w + i * lanes);
    min = value < min ? value : min;
    max = value > max ? value : max;
  }
  if (least) *least = min;
  return max - min;
}

/// Inverse scales and first zero points.
static void hqq_start(const Hqq& task, const float* weights, std::size_t first, std::size_t last, float* inverses,
                      float* zeros) {
  float* w = (float*)__builtin_assume_aligned(allocate(task.group * lanes * sizeof(float)), 64);
  const F32 steps = splat((float)((1 << task.bits) - 1));
  for (std::size_t run = first; run < last; run += lanes) {
    const std::size_t count = last - run < lanes ? last - run : lanes;
    gather_runs(weights, task.group, run, count, w);
    F32 min;
    const F32 range = hqq_range(w, task.group, &min);
    const F32 inverse = range > splat(1e-4f) ? clamp(steps / range, F32{}, splat(2e4f)) : splat(1.0f);
    const F32 zero = 0.0f - min * inverse;
    for (std::size_t lane = 0; lane < count; ++lane) {
      inverses[run + lane] = inverse[lane];
      zeros[run + lane] = zero[lane];
    }
  }
  release(w);
}

/// One round: moves zero points; `errors` takes each run's sum of errors before.
static void hqq_round(const Hqq& task, const float* weights, std::size_t first, std::size_t last, const float* inverses,
                      float* zeros, double* errors) {
  float* w = (float*)__builtin_assume_aligned(allocate(task.group * lanes * sizeof(float)), 64);
  const F32 most = splat((float)((1 << task.bits) - 1));
  for (std::size_t run = first; run < last; run += lanes) {
    const std::size_t count = last - run < lanes ? last - run : lanes;
    gather_runs(weights, task.group, run, count, w);
    const F32 inverse = load_lanes(inverses + run, count);
    const F32 zero = load_lanes(zeros + run, count);
    Sum magnitudes, sum;
    for (std::size_t i = 0; i < task.group; ++i) {
      const F32 value = *(const F32*)(w + i * lanes);
      const F32 code = hqq_code(value * inverse, zero, most);
      const F32 error = value - (code - zero) / inverse;
      magnitudes.add(absolute(error));
      const F32 sparse = task.in_steps ? hqq_shrunk(error * inverse) / inverse : hqq_shrunk(error);
      sum.add(code - (value - sparse) * inverse);
    }
    for (std::size_t lane = 0; lane < count; ++lane) {
      zeros[run + lane] = (float)(sum[(int)lane] / (double)task.group);
      errors[run + lane] = magnitudes[(int)lane];
    }
  }
  release(w);
}

/// Scales and zero points as they are stored, and the codes for them.
static void hqq_codes(const Hqq& task, const float* weights, std::size_t first, std::size_t last, const float* inverses,
                      std::uint8_t* codes, float* scales, float* zeros) {
  float* w = (float*)__builtin_assume_aligned(allocate(task.group * lanes * sizeof(float)), 64);
  const F32 most = splat((float)((1 << task.bits) - 1));
  for (std::size_t run = first; run < last; run += lanes) {
    const std::size_t count = last - run < lanes ? last - run : lanes;
    gather_runs(weights, task.group, run, count, w);
    const F32 fitted = load_lanes(zeros + run, count);
    const I32 flat = ~(hqq_range(w, task.group) > splat(1e-4f));
    const F32 scale = stored_scale(flat ? absolute(fitted) : 1.0f / load_lanes(inverses + run, count));
    F32 zero;
    for (int lane = 0; lane < lanes; ++lane) {
      const float sign = fitted[lane] > 0 ? 1.0f : fitted[lane] < 0 ? -1.0f : 0.0f;
      const bool none = __builtin_fabsf(fitted[lane]) < 0x1p-9f;
      zero[lane] = flat[lane] ? sign : none ? 0.0f : to_float16_value(fitted[lane]);
    }
    for (std::size_t lane = 0; lane < count; ++lane) {
      scales[run + lane] = scale[lane];
      zeros[run + lane] = zero[lane];
    }
    for (std::size_t i = 0; i < task.group; ++i) {
      const I32 code = __builtin_convertvector(hqq_code(*(const F32*)(w + i * lanes) / scale, zero, most), I32);
      for (std::size_t lane = 0; lane < count; ++lane) codes[(run + lane) * task.group + i] = (std::uint8_t)code[lane];
    }
  }
  release(w);
}
