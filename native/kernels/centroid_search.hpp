// Nearest centroids by Chebyshev distance: the first of equally near ones, and only ones nearer than 3e20. The reference
// is src/kernels/centroid-search.ts.

/// Points whose search goes on side by side: a register of each coordinate for every one of four chains of comparisons.
constexpr int search_chains = 4;
constexpr std::size_t search_points = search_chains * lanes;

/// |a| or |b|, whichever is larger.
static inline F32 larger_magnitude(F32 a, F32 b) {
#if defined(__AVX512DQ__)
  return (F32)_mm512_range_ps((__m512)a, (__m512)b, 0b1011);  // the larger magnitude, its sign cleared
#else
  const F32 x = absolute(a), y = absolute(b);
  return x > y ? x : y;
#endif
}

/// max_i |x_i − c_i|.
struct Chebyshev {
  static constexpr float limit = 3e20f;

  template <int vector>
  static inline F32 distance(const F32 (&differences)[vector]) {
    F32 distance = absolute(differences[0]);
    if constexpr (vector > 1) distance = larger_magnitude(differences[0], differences[1]);
    for (int i = 2; i < vector; ++i) distance = larger_magnitude(distance, differences[i]);
    return distance;
  }
};

typedef std::uint8_t LaneBytes __attribute__((vector_size(lanes)));

/// `search_points` points `[vector][stride]` at once. `distances` may be null.
template <class Metric, int vector>
static inline void search_side_by_side(const float* points, std::size_t stride, const float* codebook, int centroids,
                                       std::uint8_t* ids, float* distances) {
  F32 x[search_chains][vector], least[search_chains];
  I32 nearest[search_chains]{};
  for (int chain = 0; chain < search_chains; ++chain) {
    for (int i = 0; i < vector; ++i) __builtin_memcpy(&x[chain][i], points + i * stride + chain * lanes, sizeof(F32));
    least[chain] = splat(Metric::limit);
  }
  I32 id{};
  for (int centroid = 0; centroid < centroids; ++centroid, codebook += vector, id += 1) {
#pragma GCC unroll 4
    for (int chain = 0; chain < search_chains; ++chain) {
      F32 differences[vector];
      for (int i = 0; i < vector; ++i) differences[i] = x[chain][i] - codebook[i];
      const F32 distance = Metric::template distance<vector>(differences);
      nearest[chain] = distance < least[chain] ? id : nearest[chain];
      least[chain] = distance < least[chain] ? distance : least[chain];
    }
  }
  for (int chain = 0; chain < search_chains; ++chain) {
    const LaneBytes bytes = __builtin_convertvector(nearest[chain], LaneBytes);
    __builtin_memcpy(ids + chain * lanes, &bytes, sizeof bytes);
    if (distances) __builtin_memcpy(distances + chain * lanes, &least[chain], sizeof(F32));
  }
}

/// One point, a centroid a lane.
template <int vector>
static inline std::uint8_t search_one(const float* point, const float* codebook, int centroids) {
  F32 least = splat(Chebyshev::limit);
  I32 nearest{}, id;
  for (int lane = 0; lane < lanes; ++lane) id[lane] = lane;
  for (int first = 0; first < centroids; first += lanes, codebook += lanes * vector, id += lanes) {
    float some[lanes * vector];
    if (first + lanes <= centroids) {
      __builtin_memcpy(some, codebook, sizeof some);
    } else {
      for (int i = 0; i < lanes * vector; ++i) some[i] = __builtin_inff();  // never found
      __builtin_memcpy(some, codebook, (std::size_t)(centroids - first) * vector * sizeof(float));
    }
    float coordinates[vector][lanes];
    for (int lane = 0; lane < lanes; ++lane) {
      for (int i = 0; i < vector; ++i) coordinates[i][lane] = some[lane * vector + i];
    }
    F32 differences[vector];
    __builtin_memcpy(differences, coordinates, sizeof coordinates);
    for (int i = 0; i < vector; ++i) differences[i] = point[i] - differences[i];
    const F32 distance = Chebyshev::distance<vector>(differences);
    nearest = distance < least ? id : nearest;
    least = distance < least ? distance : least;
  }
  // A lane found the first of its own; of equally near lanes the lowest id is meant.
  float distance = least[0];
  std::int32_t found = nearest[0];
  for (int lane = 1; lane < lanes; ++lane) {
    const bool nearer = least[lane] < distance || (least[lane] == distance && nearest[lane] < found);
    found = nearer ? nearest[lane] : found;
    distance = nearer ? least[lane] : distance;
  }
  return (std::uint8_t)found;
}

/// Some positions of all tokens.
template <int vector>
static void search_positions(const CentroidSearch& task, std::size_t first, std::size_t last) {
  const std::size_t book = task.centroids * vector;
  constexpr std::size_t positions_at_once = 16 / vector;  // whose inputs lie in a line or two of the cache
  float points[positions_at_once * vector][search_points];
  std::uint8_t ids[search_points];
  for (std::size_t token = 0; token < task.tokens; token += search_points) {
    const std::size_t count = task.tokens - token < search_points ? task.tokens - token : search_points;
    const float* x = task.input + token * task.columns;
    std::uint8_t* to = task.ids + token;
    if (count < lanes) {
      for (std::size_t position = first; position < last; ++position) {
        for (std::size_t t = 0; t < count; ++t) {
          to[position * task.tokens + t] = search_one<vector>(x + t * task.columns + position * vector,
                                                              task.codebooks + position * book, (int)task.centroids);
        }
      }
      continue;
    }
    for (std::size_t some = first; some < last; some += positions_at_once) {
      const std::size_t found = last - some < positions_at_once ? last - some : positions_at_once;
      for (std::size_t t = 0; t < search_points; ++t) {
        const float* from = x + (t < count ? t : count - 1) * task.columns + some * vector;
        for (std::size_t i = 0; i < found * vector; ++i) points[i][t] = from[i];
      }
      for (std::size_t i = 0; i < found; ++i) {
        search_side_by_side<Chebyshev, vector>(points[i * vector], search_points, task.codebooks + (some + i) * book,
                                               (int)task.centroids, ids, nullptr);
        __builtin_memcpy(to + (some + i) * task.tokens, ids, count);
      }
    }
  }
}

static void nearest_centroids(const CentroidSearch& task, std::size_t first, std::size_t last) {
  switch (task.vector) {
    case 1: return search_positions<1>(task, first, last);
    case 2: return search_positions<2>(task, first, last);
    case 3: return search_positions<3>(task, first, last);
    case 4: return search_positions<4>(task, first, last);
    case 5: return search_positions<5>(task, first, last);
    case 6: return search_positions<6>(task, first, last);
    case 7: return search_positions<7>(task, first, last);
    default: return search_positions<8>(task, first, last);
  }
}
