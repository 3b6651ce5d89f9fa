// k-means of points whose coordinates are lanes. The reference, with the order of every sum, is
// src/kernels/fit-centroids.ts.

constexpr std::size_t centroid_strands = 16;

/// Points are filled up to whole searches of every path, which are whole strands.
constexpr std::size_t centroid_padding = 64;

/// Room of some points, and what k-means finds of them. Zeros from `count` to `stride`.
struct CentroidPoints {
  std::size_t count, stride;
  float* values;           // [vector][stride]
  float* distances;        // [stride]: to the nearest centroid
  std::uint8_t* ids;       // [stride]
  std::uint8_t* previous;  // [stride]
};

/// Σ (x_i − c_i)², added in the order of i.
struct Euclid {
  static constexpr float limit = __builtin_inff();

  template <int vector>
  static inline F32 distance(const F32 (&differences)[vector]) {
    F32 sum = differences[0] * differences[0];
    for (int i = 1; i < vector; ++i) sum += differences[i] * differences[i];
    return sum;
  }
};

static std::size_t centroid_stride(std::size_t count) {
  return (count + centroid_padding - 1) / centroid_padding * centroid_padding;
}

/// Ids of all points, and distances, zero where there is no point.
template <class Metric, int vector>
static void centroid_cells(const CentroidPoints& points, const float* centroids, std::size_t count) {
  for (std::size_t n = 0; n < points.stride; n += search_points) {
    search_side_by_side<Metric, vector>(points.values + n, points.stride, centroids, (int)count, points.ids + n,
                                        points.distances + n);
  }
  for (std::size_t n = points.count; n < points.stride; ++n) points.distances[n] = 0;
}

/// Sums of every sixteenth distance.
struct StrandSums {
  static constexpr int registers = centroid_strands / lanes;
  Sum sums[registers];

  void add(int at, F32 distances) { sums[at].add(distances); }
  double operator[](int strand) const { return sums[strand / lanes][strand % lanes]; }
  double total() const {
    double sum = 0;
    for (int strand = 0; strand < (int)centroid_strands; ++strand) sum += (*this)[strand];
    return sum;
  }
};

/// Lets `centroid` take part: distances become no more than those to it.
template <int vector>
static StrandSums centroid_narrow(const CentroidPoints& points, const float* centroid) {
  StrandSums sums;
  for (std::size_t n = 0; n < points.stride; n += centroid_strands) {
    for (int at = 0; at < StrandSums::registers; ++at) {
      F32 differences[vector], least;
      for (int i = 0; i < vector; ++i) {
        __builtin_memcpy(&differences[i], points.values + i * points.stride + n + at * lanes, sizeof(F32));
        differences[i] -= centroid[i];
      }
      __builtin_memcpy(&least, points.distances + n + at * lanes, sizeof least);
      const F32 distance = Euclid::distance<vector>(differences);
      least = distance < least ? distance : least;
      __builtin_memcpy(points.distances + n + at * lanes, &least, sizeof least);
      sums.add(at, least);
    }
  }
  return sums;
}

/// The point where the running sum of distances first exceeds `share` of the total, strand by strand.
static std::size_t centroid_drawn(const CentroidPoints& points, const StrandSums& sums, double share) {
  const double wanted = share * sums.total();
  double running = 0;
  std::size_t last = 0;
  for (int strand = 0; strand < (int)centroid_strands; ++strand) {
    if (running + sums[strand] <= wanted) {
      running += sums[strand];
      continue;
    }
    for (std::size_t n = strand; n < points.count; n += centroid_strands) {
      if (!(points.distances[n] > 0)) continue;
      running += points.distances[n];
      last = n;
      if (running > wanted) return n;
    }
  }
  return last;
}

/// k-means++: [count][vector].
template <int vector>
static void centroid_first(const CentroidPoints& points, float* centroids, std::size_t count, RandomStream& random) {
  for (std::size_t n = 0; n < points.stride; ++n) points.distances[n] = n < points.count ? __builtin_inff() : 0;
  auto chosen = (std::size_t)(random.share() * (double)points.count);
  for (std::size_t c = 0;; ++c, centroids += vector) {
    for (int i = 0; i < vector; ++i) centroids[i] = points.values[i * points.stride + chosen];
    if (c + 1 == count) return;
    const StrandSums sums = centroid_narrow<vector>(points, centroids);
    chosen = centroid_drawn(points, sums, random.share());
  }
}

/// The first point of the largest distance, which becomes zero; `count` when none is above.
static std::size_t centroid_take_farthest(const CentroidPoints& points) {
  std::size_t found = points.count;
  float largest = 0;
  for (std::size_t n = 0; n < points.count; ++n) {
    if (points.distances[n] > largest) {
      largest = points.distances[n];
      found = n;
    }
  }
  if (found < points.count) points.distances[found] = 0;
  return found;
}

/// Centroids become the means of their points.
template <int vector>
static void centroid_means(const CentroidPoints& points, float* centroids, std::size_t count) {
  double sums[256][vector]{};
  std::uint32_t members[256]{};
  for (std::size_t n = 0; n < points.count; ++n) {
    const std::uint8_t id = points.ids[n];
    ++members[id];
    for (int i = 0; i < vector; ++i) sums[id][i] += points.values[i * points.stride + n];
  }
  bool spread = true;  // whether any point is not where its centroid is
  for (std::size_t c = 0; c < count; ++c, centroids += vector) {
    if (members[c] > 0) {
      for (int i = 0; i < vector; ++i) centroids[i] = (float)(sums[c][i] / members[c]);
    } else if (spread) {
      const std::size_t lone = centroid_take_farthest(points);
      spread = lone < points.count;
      for (int i = 0; spread && i < vector; ++i) centroids[i] = points.values[i * points.stride + lone];
    }
  }
}

/// The squared error of the points with their centroids.
template <int vector>
static double centroid_error(const CentroidPoints& points, const float* centroids) {
  double sums[centroid_strands]{};
  for (std::size_t n = 0; n < points.count; ++n) {
    float distance = 0;
    for (int i = 0; i < vector; ++i) {
      const float difference = points.values[i * points.stride + n] - centroids[points.ids[n] * vector + i];
      distance += difference * difference;
    }
    sums[n % centroid_strands] += distance;
  }
  double error = 0;
  for (const double sum : sums) error += sum;
  return error;
}

/// One start.
template <class Metric, int vector>
static double fit_once(CentroidPoints points, const CentroidFit& fit, RandomStream random, float* centroids) {
  centroid_first<vector>(points, centroids, fit.centroids, random);
  centroid_cells<Metric, vector>(points, centroids, fit.centroids);
  for (std::size_t round = 0; round < fit.rounds; ++round) {
    centroid_means<vector>(points, centroids, fit.centroids);
    std::uint8_t* ids = points.ids;
    points.ids = points.previous;
    points.previous = ids;
    centroid_cells<Metric, vector>(points, centroids, fit.centroids);
    if (__builtin_memcmp(points.ids, points.previous, points.count) == 0) break;
  }
  return fit.restarts > 1 ? centroid_error<vector>(points, centroids) : 0;
}

/// Centroids [count][vector], the best of some starts.
template <class Metric, int vector>
static void fit_centroids(const CentroidPoints& points, const CentroidFit& fit, const RandomStream& keyed, float* centroids) {
  double least = 0;
  for (std::size_t start = 0; start < fit.restarts; ++start) {
    RandomStream random = keyed;
    random.key((std::uint32_t)start);
    float found[256 * vector];
    const double error = fit_once<Metric, vector>(points, fit, random, found);
    if (start > 0 && !(error < least)) continue;
    least = error;
    __builtin_memcpy(centroids, found, fit.centroids * vector * sizeof(float));
  }
}

/// Room for points, with `floats` coordinates; `release` takes its `values`.
static CentroidPoints centroid_points(std::size_t count, std::size_t stride, std::size_t floats) {
  auto* values = (float*)allocate((floats + stride) * sizeof(float) + 2 * stride);
  auto* ids = (std::uint8_t*)(values + floats + stride);
  return {count, stride, values, values + floats, ids, ids + stride};
}
