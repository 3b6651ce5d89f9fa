// One-dimensional k-means of each run by dynamic programming. The reference, with its source, is src/kernels/own-tables.ts.

typedef std::int64_t I64Half __attribute__((vector_size(4 * lanes)));

constexpr double own_negligible = 0x1p-30;

/// Scratch of one thread.
struct OwnScratch {
  std::uint32_t *keys, *places;              // [group] twice each: sorted from one half to the other
  double *mass, *moment;                     // [group + 1]: sums over the first i different weights
  double *best, *before;                     // [group + 1]: of a layer and the one before it
  std::uint32_t* begins;                     // [values][group + 1]: where the last cluster begins
  std::size_t stride;                        // group + 1
};

/// Float bits as whole numbers of the same order; both zeros are one.
static inline std::uint32_t sort_key(float value) {
  value += 0.0f;
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/// Places of `count` keys in rising order, equal ones as they were: by 11 bits at a time. Gives the half that holds them.
static std::size_t sort_places(const OwnScratch& scratch, std::size_t group, std::size_t count) {
  std::size_t half = 0;
  for (int shift = 0; shift < 32; shift += 11) {
    std::uint32_t starts[2048]{};
    const std::uint32_t *keys = scratch.keys + half * group, *places = scratch.places + half * group;
    std::uint32_t *sorted_keys = scratch.keys + (1 - half) * group, *sorted = scratch.places + (1 - half) * group;
    for (std::size_t i = 0; i < count; ++i) ++starts[keys[i] >> shift & 2047];
    std::uint32_t start = 0;
    for (std::uint32_t& each : starts) {
      const std::uint32_t members = each;
      each = start;
      start += members;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t to = starts[keys[i] >> shift & 2047]++;
      sorted_keys[to] = keys[i];
      sorted[to] = places[i];
    }
    half = 1 - half;
  }
  return half;
}

/// Sums over the different weights in rising order; gives how many there are.
static std::size_t sorted_points(const OwnScratch& scratch, const float* w, const double* importance, std::size_t group) {
  double most = 0;
  for (std::size_t i = 0; i < group; ++i) most = importance[i] > most ? importance[i] : most;
  std::size_t counted = 0;
  for (std::size_t i = 0; i < group; ++i) {
    if (most > 0 && !(importance[i] > most * own_negligible)) continue;
    scratch.keys[counted] = sort_key(w[i]);
    scratch.places[counted++] = (std::uint32_t)i;
  }
  const std::size_t half = sort_places(scratch, group, counted);
  const std::uint32_t *keys = scratch.keys + half * group, *places = scratch.places + half * group;
  std::size_t count = 0;
  scratch.mass[0] = scratch.moment[0] = 0;
  for (std::size_t at = 0; at < counted; ++at) {
    if (at == 0 || keys[at] != keys[at - 1]) {
      scratch.mass[count + 1] = scratch.mass[count];
      scratch.moment[count + 1] = scratch.moment[count];
      ++count;
    }
    const double each = most > 0 ? importance[places[at]] : 1;
    scratch.mass[count] += each;
    scratch.moment[count] += each * (double)w[places[at]];
  }
  return count;
}

struct BestBegin {
  std::size_t begin;
  double sum;
};

/// The begin in [from, to] of the last cluster of the first `end` points with the largest sum, the first of equals.
static BestBegin best_begin(const OwnScratch& scratch, std::size_t end, std::size_t from, std::size_t to) {
  constexpr int width = lanes / 2;
  const double mass = scratch.mass[end], moment = scratch.moment[end];
  F64Half largest = F64Half{} - __builtin_inf();
  I64Half found{}, begins;
  for (int lane = 0; lane < width; ++lane) begins[lane] = (std::int64_t)from + lane;
  std::size_t begin = from;
  for (; begin + width <= to + 1; begin += width, begins += width) {
    F64Half before, masses, moments;
    __builtin_memcpy(&before, scratch.before + begin, sizeof before);
    __builtin_memcpy(&masses, scratch.mass + begin, sizeof masses);
    __builtin_memcpy(&moments, scratch.moment + begin, sizeof moments);
    const F64Half difference = moment - moments;
    const F64Half sum = before + difference * difference / (mass - masses);
    const I64Half larger = sum > largest;
    largest = larger ? sum : largest;
    found = larger ? begins : found;
  }
  BestBegin best{from, -__builtin_inf()};
  for (int lane = 0; lane < width; ++lane) {
    const bool same = largest[lane] == best.sum && (std::size_t)found[lane] < best.begin;
    if (largest[lane] > best.sum || (same && largest[lane] > -__builtin_inf())) best = {(std::size_t)found[lane], largest[lane]};
  }
  for (; begin <= to; ++begin) {
    const double difference = moment - scratch.moment[begin];
    const double sum = scratch.before[begin] + difference * difference / (mass - scratch.mass[begin]);
    if (sum > best.sum) best = {begin, sum};
  }
  return best;
}

/// What a layer fills in.
struct OwnLayer {
  std::size_t clusters, last;                // ends go up to `last`
  const std::uint32_t* begins_before;
  std::uint32_t* begins;
};

static void fill_layer(const OwnScratch& scratch, const OwnLayer& layer, std::size_t first_end, std::size_t last_end,
                       std::size_t first_begin, std::size_t last_begin) {
  if (first_end > last_end) return;
  const std::size_t end = (first_end + last_end) / 2;
  std::size_t from = layer.begins_before[end < layer.last ? end : layer.last - 1];
  from = from > first_begin ? from : first_begin;
  from = from > layer.clusters - 1 ? from : layer.clusters - 1;
  const BestBegin best = best_begin(scratch, end, from, last_begin < end - 1 ? last_begin : end - 1);
  scratch.best[end] = best.sum;
  layer.begins[end] = (std::uint32_t)best.begin;
  fill_layer(scratch, layer, first_end, end - 1, first_begin, best.begin);
  fill_layer(scratch, layer, end + 1, last_end, best.begin, last_begin);
}

/// Where clusters begin, and the end of the last: [clusters + 1]; gives how many there are.
static std::size_t cluster_bounds(OwnScratch scratch, std::size_t count, std::size_t most, std::uint32_t* bounds) {
  if (count <= most) {
    for (std::size_t i = 0; i <= count; ++i) bounds[i] = (std::uint32_t)i;
    return count;
  }
  for (std::size_t end = 0; end <= count; ++end) {
    scratch.begins[end] = 0;
    scratch.best[end] = end == 0 ? 0 : scratch.moment[end] * scratch.moment[end] / scratch.mass[end];
  }
  for (std::size_t clusters = 2; clusters <= most; ++clusters) {
    double* best = scratch.before;
    scratch.before = scratch.best;
    scratch.best = best;
    std::uint32_t* begins = scratch.begins + (clusters - 1) * scratch.stride;
    const OwnLayer layer{clusters, count - (most - clusters), begins - scratch.stride, begins};
    fill_layer(scratch, layer, clusters == most ? layer.last : clusters, layer.last, 0, layer.last);
  }
  bounds[most] = (std::uint32_t)count;
  for (std::size_t cluster = most; cluster > 0; --cluster) {
    bounds[cluster - 1] = scratch.begins[(cluster - 1) * scratch.stride + bounds[cluster]];
  }
  return most;
}

/// Codes of a run's weights, a register of them at once.
static void nearest_codes(const float* w, std::size_t group, const float* table, std::size_t values, std::uint8_t* codes) {
  float middles[most_values];
  for (std::size_t i = 0; i + 1 < values; ++i) middles[i] = (table[i] + table[i + 1]) * 0.5f;
  for (std::size_t at = 0; at < group; at += lanes) {
    const std::size_t count = group - at < lanes ? group - at : lanes;
    F32 some{};
    __builtin_memcpy(&some, w + at, count * sizeof(float));
    I32 code{};
    for (std::size_t i = 0; i + 1 < values; ++i) code -= some > middles[i];  // a comparison is 0 or −1
    for (std::size_t lane = 0; lane < count; ++lane) codes[at + lane] = (std::uint8_t)code[lane];
  }
}

static void own_table(const OwnTables& task, const OwnScratch& scratch, const float* w, const double* importance,
                      std::uint8_t* codes, float* table) {
  std::uint32_t bounds[most_values + 1];
  const std::size_t count = sorted_points(scratch, w, importance, task.group);
  const std::size_t clusters = cluster_bounds(scratch, count, task.values, bounds);
  for (std::size_t i = 0; i < task.values; ++i) {
    const std::size_t cluster = i < clusters ? i : clusters - 1;
    const std::uint32_t begin = bounds[cluster], end = bounds[cluster + 1];
    const double mean = (scratch.moment[end] - scratch.moment[begin]) / (scratch.mass[end] - scratch.mass[begin]);
    table[i] = to_float16_value((float)mean) + 0.0f;
  }
  nearest_codes(w, task.group, table, task.values, codes);
}

static void own_tables(const OwnTables& task, const float* weights, std::size_t first, std::size_t last,
                       std::uint8_t* codes, float* tables) {
  const std::size_t stride = task.group + 1;
  auto* doubles = (double*)allocate(4 * stride * sizeof(double) + (4 + task.values) * stride * sizeof(std::uint32_t));
  auto* words = (std::uint32_t*)(doubles + 4 * stride);
  const OwnScratch scratch{words,
                           words + 2 * stride,
                           doubles,
                           doubles + stride,
                           doubles + 2 * stride,
                           doubles + 3 * stride,
                           words + 4 * stride,
                           stride};
  for (std::size_t run = first; run < last; ++run) {
    const std::size_t from = run * task.group;
    own_table(task, scratch, weights + from, task.importance + from % task.columns, codes + from,
              tables + run * task.values);
  }
  release(doubles);
}
