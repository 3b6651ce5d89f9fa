// Binary coding on a register of runs at once. The reference, with the source of each step, is src/kernels/bcq.ts.

constexpr double bcq_settled = 1e-24;

/// Bit p of a weight's signs as a float's sign bit: set where plane p is −1.
static inline I32 bcq_minus(I32 signs, int plane) { return (I32)((~signs >> plane) & 1) << 31; }

/// The power of two nearest to x > 0 on a scale of logarithms; 0 below the least normal number.
static inline double nearest_power(double x) {
  std::uint64_t bits;
  __builtin_memcpy(&bits, &x, 8);
  const std::uint64_t exponent = bits & 0x7ff0000000000000u;
  double power;
  __builtin_memcpy(&power, &exponent, 8);
  return x > power * 1.4142135623730951 ? power * 2 : power;
}

/// One power of two after another, each the nearest to what is left.
static inline double sum_of_powers(double value, int powers) {
  double sum = 0, rest = value;
  for (int i = 0; i < powers; ++i) {
    const double power = __builtin_copysign(nearest_power(__builtin_fabs(rest)), rest);
    sum += power;
    rest -= power;
  }
  return sum;
}

/// α of each lane and, last, its offset.
template <int planes, bool offset>
struct BcqCoefficients {
  static constexpr int count = planes + (offset ? 1 : 0);
  double of[lanes][count];

  /// The offset, or 0 without one.
  double offset_of(int lane) const {
    if constexpr (offset) return of[lane][planes];
    return 0;
  }

  /// Falling α.
  void sort() {
    for (auto& lane : of) {
      for (int i = 1; i < planes; ++i) {
        for (int j = i; j > 0 && lane[j] > lane[j - 1]; --j) {
          const double swap = lane[j];
          lane[j] = lane[j - 1];
          lane[j - 1] = swap;
        }
      }
    }
  }

  /// Each α as the greedy sum of so many powers of two.
  void to_powers(int powers) {
    for (auto& lane : of) {
      for (int p = 0; p < planes; ++p) lane[p] = sum_of_powers(lane[p], powers);
    }
    sort();
  }

  void to_float16() {
    for (auto& lane : of) {
      for (double& value : lane) value = __builtin_copysign(to_float16_value((float)value), value);
    }
  }
};

/// Sorted levels as their signs, and the middles between them.
template <int planes>
struct BcqLevels {
  static constexpr int count = 1 << planes;
  F32 middle[count - 1];
  I32 signs[count];

  template <bool offset>
  explicit BcqLevels(const BcqCoefficients<planes, offset>& coefficients) {
    for (int lane = 0; lane < lanes; ++lane) {
      float value[count];
      int order[count];
      for (int code = 0; code < count; ++code) {
        double sum = 0;
        for (int p = 0; p < planes; ++p) sum += (code >> p & 1 ? 1.0 : -1.0) * coefficients.of[lane][p];
        const float level = (float)(sum + coefficients.offset_of(lane));
        int at = code;
        for (; at > 0 && value[at - 1] > level; --at) {
          value[at] = value[at - 1];
          order[at] = order[at - 1];
        }
        value[at] = level;
        order[at] = code;
      }
      for (int i = 0; i < count; ++i) signs[i][lane] = order[i];
      for (int i = 0; i + 1 < count; ++i) middle[i][lane] = (value[i] + value[i + 1]) * 0.5f;
    }
  }

  /// The signs of the nearest level; the middles rise, so the last one that is not above the weight decides.
  I32 nearest(F32 w) const {
    I32 found = signs[0];
#pragma GCC unroll 15
    for (int i = 0; i + 1 < count; ++i) found = w >= middle[i] ? signs[i + 1] : found;
    return found;
  }
};

/// What a solve needs of the signs: how often planes differ, how often each is +1, and Σ ±w.
template <int planes, bool offset>
struct BcqMoments {
  I32 differ[planes][planes]{};
  I32 plus[planes]{};
  Sum right[planes]{};
  Sum total;

  void add(F32 w, I32 signs) {
    for (int p = 0; p < planes; ++p) {
      right[p].add((F32)((I32)w ^ bcq_minus(signs, p)));
      for (int q = p + 1; q < planes; ++q) differ[p][q] += (signs >> p ^ signs >> q) & 1;
      if (offset) plus[p] += signs >> p & 1;
    }
    if (offset) total.add(w);
  }
};

/// A x = b in `count` steps of conjugate gradients from x on.
template <int count>
static void bcq_solve(const double (&a)[count][count], const double (&b)[count], double (&x)[count]) {
  const auto dot = [](const double (&left)[count], const double (&right)[count]) {
    double sum = 0;
    for (int i = 0; i < count; ++i) sum += left[i] * right[i];
    return sum;
  };
  double residual[count], direction[count];
  for (int i = 0; i < count; ++i) direction[i] = residual[i] = b[i] - dot(a[i], x);
  double squares = dot(residual, residual);
  const double enough = bcq_settled * dot(b, b);
  for (int step = 0; step < count && squares > enough; ++step) {
    double image[count];
    for (int i = 0; i < count; ++i) image[i] = dot(a[i], direction);
    const double length = squares / dot(direction, image);
    for (int i = 0; i < count; ++i) {
      x[i] += length * direction[i];
      residual[i] -= length * image[i];
    }
    const double previous = squares;
    squares = dot(residual, residual);
    for (int i = 0; i < count; ++i) direction[i] = residual[i] + squares / previous * direction[i];
  }
}

template <int planes, bool offset>
static void bcq_solve_lanes(const BcqMoments<planes, offset>& moments, std::size_t group,
                            BcqCoefficients<planes, offset>& coefficients) {
  constexpr int count = planes + (offset ? 1 : 0);
  for (int lane = 0; lane < lanes; ++lane) {
    double gram[count][count], right[count];
    for (int p = 0; p < planes; ++p) {
      right[p] = moments.right[p][lane];
      gram[p][p] = (double)group;
      for (int q = p + 1; q < planes; ++q) gram[p][q] = gram[q][p] = (double)group - 2.0 * moments.differ[p][q][lane];
      if constexpr (offset) gram[p][planes] = gram[planes][p] = 2.0 * moments.plus[p][lane] - (double)group;
    }
    if constexpr (offset) {
      right[planes] = moments.total[lane];
      gram[planes][planes] = (double)group;
    }
    bcq_solve<count>(gram, right, coefficients.of[lane]);
    for (int p = 0; p < planes; ++p) coefficients.of[lane][p] = __builtin_fabs(coefficients.of[lane][p]);
  }
  coefficients.sort();
}

/// One plane after another on what is left; `rest` is scratch for the group.
template <int planes, bool offset>
static void bcq_greedy(const F32* w, std::size_t group, F32* rest, I32* signs,
                       BcqCoefficients<planes, offset>& coefficients) {
  F32 mean{};
  if constexpr (offset) {
    Sum total;
    for (std::size_t i = 0; i < group; ++i) total.add(w[i]);
    for (int lane = 0; lane < lanes; ++lane) {
      coefficients.of[lane][planes] = total[lane] / (double)group;
      mean[lane] = (float)coefficients.of[lane][planes];
    }
  }
  for (std::size_t i = 0; i < group; ++i) {
    rest[i] = offset ? w[i] - mean : w[i];
    signs[i] = I32{};
  }
  for (int p = 0; p < planes; ++p) {
    Sum magnitudes;
    for (std::size_t i = 0; i < group; ++i) magnitudes.add(absolute(rest[i]));
    F32 step;
    for (int lane = 0; lane < lanes; ++lane) {
      coefficients.of[lane][p] = magnitudes[lane] / (double)group;
      step[lane] = (float)coefficients.of[lane][p];
    }
    for (std::size_t i = 0; i < group; ++i) {
      const I32 plus = rest[i] >= 0.0f;  // 0 or −1
      signs[i] |= plus & (1 << p);
      rest[i] -= plus ? step : -step;
    }
  }
}

template <int planes, bool offset>
static void bcq_of(const Bcq& task, const float* weights, std::size_t runs, std::size_t first, std::size_t last,
                   std::int8_t* codes, float* scales, float* offsets) {
  const std::size_t group = task.group;
  const int rounds = planes > 1 || offset ? task.rounds : 0;
  auto* w = (F32*)__builtin_assume_aligned(allocate(3 * group * sizeof(F32)), 64);
  F32* rest = w + group;
  I32* signs = (I32*)(rest + group);
  for (std::size_t run = first; run < last; run += lanes) {
    const std::size_t count = last - run < lanes ? last - run : lanes;
    gather_runs(weights, group, run, count, (float*)w);
    BcqCoefficients<planes, offset> coefficients;
    bcq_greedy<planes, offset>(w, group, rest, signs, coefficients);
    if (rounds == 0 && task.powers > 0) coefficients.to_powers(task.powers);
    BcqMoments<planes, offset> moments;
    for (std::size_t i = 0; i < group; ++i) moments.add(w[i], signs[i]);
    for (int round = 0; round < rounds; ++round) {
      bcq_solve_lanes<planes, offset>(moments, group, coefficients);
      if (task.powers > 0) coefficients.to_powers(task.powers);
      const BcqLevels<planes> levels(coefficients);
      moments = {};
      for (std::size_t i = 0; i < group; ++i) moments.add(w[i], levels.nearest(w[i]));
    }

    coefficients.to_float16();
    const BcqLevels<planes> levels(coefficients);
    for (std::size_t i = 0; i < group; ++i) signs[i] = levels.nearest(w[i]);
    for (std::size_t lane = 0; lane < count; ++lane) {
      for (int p = 0; p < planes; ++p) {
        scales[p * runs + run + lane] = (float)coefficients.of[lane][p];
        std::int8_t* to = codes + (p * runs + run + lane) * group;
        for (std::size_t i = 0; i < group; ++i) to[i] = (std::int8_t)((signs[i][lane] >> p & 1) * 2 - 1);
      }
      if constexpr (offset) offsets[run + lane] = (float)coefficients.of[lane][planes];
    }
  }
  release(w);
}

template <bool offset>
static void bcq_planes(const Bcq& task, const float* weights, std::size_t runs, std::size_t first, std::size_t last,
                       std::int8_t* codes, float* scales, float* offsets) {
  if (task.planes == 1) bcq_of<1, offset>(task, weights, runs, first, last, codes, scales, offsets);
  if (task.planes == 2) bcq_of<2, offset>(task, weights, runs, first, last, codes, scales, offsets);
  if (task.planes == 3) bcq_of<3, offset>(task, weights, runs, first, last, codes, scales, offsets);
  if (task.planes == 4) bcq_of<4, offset>(task, weights, runs, first, last, codes, scales, offsets);
}

static void bcq(const Bcq& task, const float* weights, std::size_t runs, std::size_t first, std::size_t last,
                std::int8_t* codes, float* scales, float* offsets) {
  if (offsets) {
    bcq_planes<true>(task, weights, runs, first, last, codes, scales, offsets);
  } else {
    bcq_planes<false>(task, weights, runs, first, last, codes, scales, offsets);
  }
}
