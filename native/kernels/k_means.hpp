// Codebooks of inputs. The reference is src/kernels/k-means.ts.

template <int vector>
static void k_means_positions(const KMeans& task, std::size_t first, std::size_t last) {
  constexpr std::size_t at_once = k_means_columns / vector;
  // An odd number of paddings from coordinate to coordinate, so that not all fall into one set of a cache.
  const std::size_t stride = centroid_stride(task.tokens) | centroid_padding;
  const std::size_t set = vector * stride;  // of a position's coordinates
  const CentroidPoints all = centroid_points(task.tokens, stride, at_once * set);
  for (std::size_t i = 0; i < at_once * set; ++i) all.values[i] = 0;
  for (std::size_t some = first; some < last; some += at_once) {
    const std::size_t positions = last - some < at_once ? last - some : at_once;
    for (std::size_t token = 0; token < task.tokens; ++token) {
      const float* from = task.points + token * task.columns + some * vector;
      for (std::size_t i = 0; i < positions * vector; ++i) all.values[i * stride + token] = from[i];
    }
    for (std::size_t i = 0; i < positions; ++i) {
      CentroidPoints points = all;
      points.values += i * set;
      RandomStream random;
      random.key(task.fit.seed);
      random.key((std::uint32_t)(some + i));
      fit_centroids<Chebyshev, vector>(points, task.fit, random,
                                       task.codebooks + (some + i) * task.fit.centroids * vector);
    }
  }
  release(all.values);
}

static void k_means(const KMeans& task, std::size_t first, std::size_t last) {
  switch (task.fit.vector) {
    case 1: return k_means_positions<1>(task, first, last);
    case 2: return k_means_positions<2>(task, first, last);
    case 3: return k_means_positions<3>(task, first, last);
    case 4: return k_means_positions<4>(task, first, last);
    case 5: return k_means_positions<5>(task, first, last);
    case 6: return k_means_positions<6>(task, first, last);
    case 7: return k_means_positions<7>(task, first, last);
    default: return k_means_positions<8>(task, first, last);
  }
}
