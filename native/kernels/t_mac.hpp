// T-MAC's x86 arithmetic. The reference, with its sources, is src/targets/t-mac/arithmetic.ts: the roundings and the
// order of every float32 step are those, so all paths give the same bits.

/// Tables of one token: entries [K / 4][16], scales and biases [K / activation_group].
static void t_mac_tables(const float* x, std::size_t columns, std::size_t activation_group, std::int8_t* entries,
                         float* scales, float* biases) {
  for (std::size_t group = 0; group * activation_group < columns; ++group) {
    const float* from = x + group * activation_group;
    float most = 0;
    for (std::size_t i = 0; i < activation_group; i += 4) {
      const float sum = (__builtin_fabsf(from[i]) + __builtin_fabsf(from[i + 1])) +
                        (__builtin_fabsf(from[i + 2]) + __builtin_fabsf(from[i + 3]));
      if (sum > most) most = sum;
    }
    const float scale = most / 127;
    const float unit = scale == 0 ? 0 : 1.0f / scale;
    float bias = 0;
    for (std::size_t at = 0; at < activation_group; at += 32) {
      float table[16][8];  // eight tables side by side, as the AVX2 code takes them
      for (int lane = 0; lane < 8; ++lane) {
        const float* four = from + at + 4 * lane;
        for (int entry = 1; entry < 16; entry += 2) {
          float sum = four[0];
          sum = entry & 2 ? sum + four[1] : sum - four[1];
          sum = entry & 4 ? sum + four[2] : sum - four[2];
          sum = entry & 8 ? sum + four[3] : sum - four[3];
          table[entry][lane] = sum;
          table[15 - entry][lane] = -sum;
        }
      }
      const float* v = table[0];
      const float four[4] = {v[4] + v[0], v[5] + v[1], v[6] + v[2], v[7] + v[3]};
      bias += (four[0] + four[2]) + (four[1] + four[3]);
      std::int8_t* to = entries + (group * activation_group + at) * 4;
      for (int lane = 0; lane < 8; ++lane) {
        for (int entry = 0; entry < 16; ++entry) {
          const float magic = 12582912.0f;
          const float rounded = (table[entry][lane] * unit + magic) - magic;
          const float low = rounded > -128.0f ? rounded : -128.0f;
          to[lane * 16 + entry] = (std::int8_t)(low < 127.0f ? low : 127.0f);
        }
      }
    }
    scales[group] = scale;
    biases[group] = bias;
  }
}

/// Thirty-two expanded rows of a pass, made ready once for many tokens.
struct TMacStrip {
  std::uint8_t* indices;       // [K / 4][32], or as the path's lookups want them
  float* scales;               // [blocks][32], the scale of each row for each block of kfactor indices
  float* zeros;                // the same, null without zero points; 0 where the row is not of plane 0
  std::uint8_t first_plane[32];  // 1 where the row is of bit plane 0
};

static float t_mac_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

#if defined(__AVX512F__)

/// [K / 16][2 halves][16 rows][4 indices]: four neighbouring tables fill a register, an index selects among 64 bytes.
static void t_mac_arrange(const std::uint8_t* packed, std::size_t index, std::uint8_t* out) {
  for (int lane = 0; lane < 16; ++lane) {
    const std::size_t base = (index / 4) * 128 + lane * 4 + index % 4;
    const std::uint8_t table = (std::uint8_t)(16 * (index % 4));
    out[base] = (std::uint8_t)((packed[lane] & 15) + table);
    out[base + 64] = (std::uint8_t)((packed[lane] >> 4) + table);
  }
}

/// Adds a token's contribution of all inputs to 32 accumulators.
static void t_mac_strip(const TMac& w, const TMacStrip& strip, const std::int8_t* entries, const float* table_scales,
                        const float* table_biases, float* accumulators) {
  const std::size_t per_group = w.activation_group / 4;
  const std::size_t indices = w.columns / 4;
  const __m512i ones = _mm512_set1_epi8(1);
  const __mmask16 plane[2] = {
      _mm_cmpneq_epi8_mask(_mm_loadu_si128((const __m128i*)strip.first_plane), _mm_setzero_si128()),
      _mm_cmpneq_epi8_mask(_mm_loadu_si128((const __m128i*)(strip.first_plane + 16)), _mm_setzero_si128())};
  __m512 total[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  for (std::size_t block = 0; block < indices; block += w.k_factor) {
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    float bias_sum = 0;
    for (std::size_t first = block; first < block + w.k_factor; first += per_group) {
      __m512i lookups[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
      for (std::size_t index = first; index < first + per_group; index += 4) {
        const __m512i tables = _mm512_loadu_si512(entries + index * 16);
        const std::uint8_t* at = strip.indices + index * 32;
        lookups[0] = _mm512_dpbusd_epi32(lookups[0], ones, _mm512_permutexvar_epi8(_mm512_load_si512(at), tables));
        lookups[1] = _mm512_dpbusd_epi32(lookups[1], ones, _mm512_permutexvar_epi8(_mm512_load_si512(at + 64), tables));
      }
      const __m512 scale = _mm512_set1_ps(table_scales[first / per_group]);
      const __m512 bias = _mm512_set1_ps(table_biases[first / per_group]);
      bias_sum += table_biases[first / per_group];
      for (int half = 0; half < 2; ++half) {
        const __m512 value = _mm512_cvtepi32_ps(lookups[half]);
        const __m512 scaled = _mm512_mask_fmadd_ps(value, plane[half], scale, bias);  // lanes of other planes keep value
        const __m512 part = _mm512_mask_mul_ps(scaled, (__mmask16)~plane[half], value, scale);
        sum[half] = first == block ? part : _mm512_add_ps(sum[half], part);
      }
    }
    const std::size_t at = block / w.k_factor * 32;
    for (int half = 0; half < 2; ++half) {
      total[half] = _mm512_fmadd_ps(sum[half], _mm512_loadu_ps(strip.scales + at + 16 * half), total[half]);
      if (strip.zeros) {
        const __m512 zero = _mm512_loadu_ps(strip.zeros + at + 16 * half);
        total[half] = _mm512_mask3_fmadd_ps(zero, _mm512_set1_ps(2 * bias_sum), total[half], plane[half]);
      }
    }
  }
  _mm512_storeu_ps(accumulators, total[0]);
  _mm512_storeu_ps(accumulators + 16, total[1]);
}

#else

/// [K / 4][32]: the low nibbles' rows, then the high ones'.
static void t_mac_arrange(const std::uint8_t* packed, std::size_t index, std::uint8_t* out) {
  for (int lane = 0; lane < 16; ++lane) {
    out[index * 32 + lane] = packed[lane] & 15;
    out[index * 32 + 16 + lane] = packed[lane] >> 4;
  }
}

#if defined(__AVX2__)
/// For 32 rows the sum of `count` (even) lookups.
static void t_mac_lookups(const std::uint8_t* indices, const std::int8_t* entries, std::size_t count, float* out) {
  const __m256i ones = _mm256_set1_epi8(1);
  __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();  // rows 0-7 | 16-23 and 8-15 | 24-31
  for (std::size_t i = 0; i < count; i += 2) {
    const __m256i a = _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)(entries + i * 16))),
        _mm256_loadu_si256((const __m256i*)(indices + i * 32)));
    const __m256i b = _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)(entries + i * 16 + 16))),
        _mm256_loadu_si256((const __m256i*)(indices + i * 32 + 32)));
    low = _mm256_add_epi16(low, _mm256_maddubs_epi16(ones, _mm256_unpacklo_epi8(a, b)));
    high = _mm256_add_epi16(high, _mm256_maddubs_epi16(ones, _mm256_unpackhi_epi8(a, b)));
  }
  const __m128i eights[4] = {_mm256_castsi256_si128(low), _mm256_castsi256_si128(high),
                             _mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1)};
  for (int eight = 0; eight < 4; ++eight) {
    _mm256_storeu_ps(out + 8 * eight, _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(eights[eight])));
  }
}
#else
static void t_mac_lookups(const std::uint8_t* indices, const std::int8_t* entries, std::size_t count, float* out) {
  std::int16_t sums[32] = {};
  for (std::size_t i = 0; i < count; ++i) {
    for (int lane = 0; lane < 32; ++lane) sums[lane] = (std::int16_t)(sums[lane] + entries[i * 16 + indices[i * 32 + lane]]);
  }
  for (int lane = 0; lane < 32; ++lane) out[lane] = sums[lane];
}
#endif

/// Adds a token's contribution of all inputs to 32 accumulators.
static void t_mac_strip(const TMac& w, const TMacStrip& strip, const std::int8_t* entries, const float* table_scales,
                        const float* table_biases, float* accumulators) {
  const std::size_t per_group = w.activation_group / 4;
  const std::size_t indices = w.columns / 4;
  float total[32] = {};
  for (std::size_t block = 0; block < indices; block += w.k_factor) {
    float sum[32] = {};
    float bias_sum = 0;
    for (std::size_t first = block; first < block + w.k_factor; first += per_group) {
      float lookups[32];
      t_mac_lookups(strip.indices + first * 32, entries + first * 16, per_group, lookups);
      const float scale = table_scales[first / per_group];
      const float bias = table_biases[first / per_group];
      bias_sum += bias;
      // A lane of another plane multiplies only: adding +0 to a product that is never −0 changes nothing.
      for (int lane = 0; lane < 32; ++lane) {
        const float part = t_mac_fma(lookups[lane], scale, strip.first_plane[lane] ? bias : 0.0f);
        sum[lane] = first == block ? part : sum[lane] + part;
      }
    }
    const std::size_t at = block / w.k_factor * 32;
    for (int lane = 0; lane < 32; ++lane) {
      total[lane] = t_mac_fma(sum[lane], strip.scales[at + lane], total[lane]);
      if (strip.zeros && strip.first_plane[lane]) {
        total[lane] = t_mac_fma(strip.zeros[at + lane], 2 * bias_sum, total[lane]);
      }
    }
  }
  __builtin_memcpy(accumulators, total, sizeof total);
}

#endif

/// Where the scale of an expanded row and a block lies; its zero is eight further (one for the tensor: one further).
static std::size_t t_mac_scale_place(const TMac& w, std::size_t row, std::size_t block) {
  if (w.one_scale) return 0;
  const std::size_t tile = row / w.tile_rows;
  const std::size_t eight = row % w.tile_rows / (8 * w.bits);
  const std::size_t group = block * 4 / w.group;
  const std::size_t eights = (tile * (w.columns / w.group) + group) * (w.tile_rows / w.bits / 8) + eight;
  return eights * (w.has_zeros ? 16 : 8) + row % 8;
}

static void t_mac_prepare(const TMac& w, std::size_t row, TMacStrip& strip) {
  const std::size_t indices = w.columns / 4;
  const std::size_t blocks = indices / w.k_factor;
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t strips = w.tile_rows / 32;
    const std::size_t place = (row / w.tile_rows * blocks + block) * strips + row % w.tile_rows / 32;
    const std::uint8_t* packed = w.weight + place * w.k_factor * 16;
    for (std::size_t k = 0; k < w.k_factor; ++k) t_mac_arrange(packed + k * 16, block * w.k_factor + k, strip.indices);
    for (std::size_t lane = 0; lane < 32; ++lane) {
      const std::size_t at = t_mac_scale_place(w, row + lane, block * w.k_factor);
      strip.scales[block * 32 + lane] = w.scales[at];
      if (strip.zeros) strip.zeros[block * 32 + lane] = w.scales[at + (w.one_scale ? 1 : 8)];
    }
  }
  for (std::size_t lane = 0; lane < 32; ++lane) strip.first_plane[lane] = (row + lane) / 8 % w.bits == 0;
}

/// Outputs of the units [first, last) for `tokens` tokens, added to `out` [tokens][rows] when `add`. A unit is the least
/// number of strips that hold whole outputs: 32 expanded rows, or 96 with three bits.
static void t_mac_units(const TMac& w, std::size_t tokens, const std::int8_t* entries, const float* table_scales,
                        const float* table_biases, bool add, std::size_t first, std::size_t last, float* out) {
  const std::size_t strips = w.bits == 3 ? 3 : 1;
  const std::size_t outputs = 32 * strips / w.bits;
  const std::size_t indices = w.columns / 4;
  const std::size_t blocks = indices / w.k_factor;
  const std::size_t groups = w.columns / w.activation_group;
  auto* index_bytes = (std::uint8_t*)allocate(strips * indices * 32);
  auto* scale_floats = (float*)allocate(2 * strips * blocks * 32 * sizeof(float));
  TMacStrip ready[3];
  for (std::size_t s = 0; s < strips; ++s) {
    ready[s].indices = index_bytes + s * indices * 32;
    ready[s].scales = scale_floats + 2 * s * blocks * 32;
    ready[s].zeros = w.has_zeros ? ready[s].scales + blocks * 32 : nullptr;
  }
  for (std::size_t unit = first; unit < last; ++unit) {
    for (std::size_t s = 0; s < strips; ++s) t_mac_prepare(w, (unit * strips + s) * 32, ready[s]);
    for (std::size_t token = 0; token < tokens; ++token) {
      float accumulators[96];
      for (std::size_t s = 0; s < strips; ++s) {
        t_mac_strip(w, ready[s], entries + token * w.columns * 4, table_scales + token * groups,
                    table_biases + token * groups, accumulators + 32 * s);
      }
      float* y = out + token * w.rows + unit * outputs;
      for (std::size_t m = 0; m < outputs; ++m) {
        const float* planes = accumulators + m / 8 * 8 * w.bits + m % 8;
        float sum = planes[0] * 0.5f;
        for (std::size_t bit = 1; bit < w.bits; ++bit) sum += planes[8 * bit] * (float)(1 << (bit - 1));
        y[m] = add ? y[m] + sum : sum;
      }
    }
  }
  release(index_bytes);
  release(scale_floats);
}
