// PTQTP on a register of runs at once. The reference, with the source of each constant, is src/kernels/trit-planes.ts.

constexpr int max_iterations = 50;
constexpr double tolerance = 1e-4;
constexpr double condition_limit = 1e6;

/// The trit vectors in tie order; only their number depends on `planes`.
template <int planes>
struct Candidates {
  static constexpr int count = planes == 1 ? 3 : planes == 2 ? 9 : 27;
  int trit[count][planes];

  constexpr Candidates() : trit{} {
    constexpr int order[3] = {0, 1, -1};
    int at = 0;
    for (int non_zeros = 0; non_zeros <= planes; ++non_zeros) {
      for (int index = 0; index < count; ++index) {
        int digits[planes]{};
        int filled = 0;
        for (int p = planes - 1, rest = index; p >= 0; --p, rest /= 3) {
          digits[p] = order[rest % 3];
          filled += digits[p] != 0;
        }
        if (filled != non_zeros) continue;
        for (int p = 0; p < planes; ++p) trit[at][p] = digits[p];
        ++at;
      }
    }
  }
};

template <int planes>
inline constexpr Candidates<planes> candidates{};

/// Σ t_p t_q and Σ t_p w of each lane.
template <int planes>
struct Moments {
  I32 gram[planes][planes]{};
  Sum right[planes]{};

  void add(F32 w, const I32 (&trit)[planes]) {
    for (int p = 0; p < planes; ++p) {
      for (int q = p; q < planes; ++q) gram[p][q] += trit[p] * trit[q];
      right[p].add(__builtin_convertvector(trit[p], F32) * w);
    }
  }
};

template <int planes>
struct Levels {
  F32 value[Candidates<planes>::count];

  explicit Levels(const double (&scales)[lanes][planes]) {
    for (int c = 0; c < Candidates<planes>::count; ++c) {
      for (int lane = 0; lane < lanes; ++lane) {
        double level = 0;
        for (int p = 0; p < planes; ++p) level += candidates<planes>.trit[c][p] * scales[lane][p];
        value[c][lane] = (float)level;
      }
    }
  }

  /// The nearest candidate's trits; a later one must be strictly nearer.
  void nearest(F32 w, I32 (&trit)[planes]) const {
    F32 least = absolute(w);
    for (int p = 0; p < planes; ++p) trit[p] = I32{};
#pragma GCC unroll 27
    for (int c = 1; c < Candidates<planes>::count; ++c) {
      const F32 distance = absolute(w - value[c]);
      const I32 nearer = distance < least;
      least = nearer ? distance : least;
      for (int p = 0; p < planes; ++p) trit[p] = nearer ? splat_int(candidates<planes>.trit[c][p]) : trit[p];
    }
  }
};

/// α of one lane: the ridge is raised tenfold while the Gram matrix is too close to singular.
template <int planes>
static void solve_scales(const double (&gram)[planes][planes], const double (&right)[planes], double (&scales)[planes]) {
  for (double ridge = 1e-8;; ridge *= 10) {
    double a[planes][planes];
    for (int i = 0; i < planes; ++i) {
      for (int j = 0; j < planes; ++j) a[i][j] = gram[i][j] + (i == j ? ridge : 0.0);
    }
    double adjugate[planes][planes];
    if constexpr (planes == 1) {
      adjugate[0][0] = 1;
    } else if constexpr (planes == 2) {
      adjugate[0][0] = a[1][1];
      adjugate[0][1] = adjugate[1][0] = -a[0][1];
      adjugate[1][1] = a[0][0];
    } else {
      adjugate[0][0] = a[1][1] * a[2][2] - a[1][2] * a[1][2];
      adjugate[0][1] = adjugate[1][0] = a[0][2] * a[1][2] - a[0][1] * a[2][2];
      adjugate[0][2] = adjugate[2][0] = a[0][1] * a[1][2] - a[0][2] * a[1][1];
      adjugate[1][1] = a[0][0] * a[2][2] - a[0][2] * a[0][2];
      adjugate[1][2] = adjugate[2][1] = a[0][1] * a[0][2] - a[0][0] * a[1][2];
      adjugate[2][2] = a[0][0] * a[1][1] - a[0][1] * a[0][1];
    }
    double determinant = 0, squares = 0, adjugate_squares = 0;
    for (int j = 0; j < planes; ++j) determinant += a[0][j] * adjugate[j][0];
    for (int i = 0; i < planes; ++i) {
      for (int j = 0; j < planes; ++j) {
        squares += a[i][j] * a[i][j];
        adjugate_squares += adjugate[i][j] * adjugate[i][j];
      }
    }
    const bool regular =
        determinant > 0 && __builtin_sqrt(squares * adjugate_squares) / determinant <= condition_limit;
    if (regular || ridge >= 1) {
      for (int i = 0; i < planes; ++i) {
        double sum = 0;
        for (int j = 0; j < planes; ++j) sum += adjugate[i][j] * right[j];
        scales[i] = sum / determinant;
      }
      return;
    }
  }
}

/// What a register of runs has come to.
template <int planes>
struct Fit {
  double scales[lanes][planes];
  double settled_below[lanes];
  bool settled[lanes]{};

  /// All planes start as sign(w); the first scales are set apart by a thousandth.
  Fit(const float* w, std::size_t group) {
    Moments<planes> moments;
    Sum squares;
    for (std::size_t i = 0; i < group; ++i) {
      const F32 value = *(const F32*)(w + i * lanes);
      const I32 sign = (value < 0.0f) - (value > 0.0f);  // a comparison is 0 or −1
      I32 trit[planes];
      for (int p = 0; p < planes; ++p) trit[p] = sign;
      moments.add(value, trit);
      squares.add(value * value);
    }
    for (int lane = 0; lane < lanes; ++lane) {
      solve(moments, lane, scales[lane]);
      for (int p = 0; p < planes; ++p) scales[lane][p] *= 1 - p * (1.0 / 1024);
      settled_below[lane] = tolerance * __builtin_sqrt(squares[lane] / (double)group);
    }
  }

  /// One scale step of the lanes that have not settled. True when all have.
  bool step(const Moments<planes>& moments) {
    bool all = true;
    for (int lane = 0; lane < lanes; ++lane) {
      if (settled[lane]) continue;
      double fresh[planes];
      solve(moments, lane, fresh);
      double change = 0;
      for (int p = 0; p < planes; ++p) {
        change += (fresh[p] - scales[lane][p]) * (fresh[p] - scales[lane][p]);
        scales[lane][p] = fresh[p];
      }
      settled[lane] = __builtin_sqrt(change) < settled_below[lane];
      all &= settled[lane];
    }
    return all;
  }

 private:
  static void solve(const Moments<planes>& moments, int lane, double (&out)[planes]) {
    double gram[planes][planes], right[planes];
    for (int p = 0; p < planes; ++p) {
      right[p] = moments.right[p][lane];
      for (int q = p; q < planes; ++q) gram[p][q] = gram[q][p] = moments.gram[p][q][lane];
    }
    solve_scales<planes>(gram, right, out);
  }
};

/// Positive, falling, float16.
template <int planes>
static void store_scales(double (&scales)[planes]) {
  for (double& scale : scales) scale = to_float16_value((float)__builtin_fabs(scale));
  for (int i = 1; i < planes; ++i) {
    for (int j = i; j > 0 && scales[j] > scales[j - 1]; --j) {
      const double swap = scales[j];
      scales[j] = scales[j - 1];
      scales[j - 1] = swap;
    }
  }
}

template <int planes>
static void trit_planes_of(const float* weights, std::size_t group, std::size_t runs, std::size_t first, std::size_t last,
                           std::int8_t* codes, float* out_scales) {
  float* w = (float*)__builtin_assume_aligned(allocate(group * lanes * sizeof(float)), 64);
  for (std::size_t run = first; run < last; run += lanes) {
    const std::size_t count = last - run < lanes ? last - run : lanes;
    gather_runs(weights, group, run, count, w);

    Fit<planes> fit(w, group);
    bool done = false;
    for (int iteration = 1; iteration < max_iterations && !done; ++iteration) {
      const Levels<planes> levels(fit.scales);
      Moments<planes> moments;
      for (std::size_t i = 0; i < group; ++i) {
        const F32 value = *(const F32*)(w + i * lanes);
        I32 trit[planes];
        levels.nearest(value, trit);
        moments.add(value, trit);
      }
      done = fit.step(moments);
    }

    for (auto& lane_scales : fit.scales) store_scales<planes>(lane_scales);
    const Levels<planes> levels(fit.scales);
    for (std::size_t i = 0; i < group; ++i) {
      I32 trit[planes];
      levels.nearest(*(const F32*)(w + i * lanes), trit);
      for (int p = 0; p < planes; ++p) {
        for (std::size_t lane = 0; lane < count; ++lane) {
          codes[(p * runs + run + lane) * group + i] = (std::int8_t)trit[p][lane];
        }
      }
    }
    for (int p = 0; p < planes; ++p) {
      for (std::size_t lane = 0; lane < count; ++lane) out_scales[p * runs + run + lane] = (float)fit.scales[lane][p];
    }
  }
  release(w);
}

static void trit_planes(const float* weights, std::size_t group, std::size_t runs, int planes, std::size_t first,
                        std::size_t last, std::int8_t* codes, float* scales) {
  if (planes == 1) trit_planes_of<1>(weights, group, runs, first, last, codes, scales);
  if (planes == 2) trit_planes_of<2>(weights, group, runs, first, last, codes, scales);
  if (planes == 3) trit_planes_of<3>(weights, group, runs, first, last, codes, scales);
}
