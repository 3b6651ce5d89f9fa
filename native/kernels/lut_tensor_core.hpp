// LUT Tensor Core products on one thread. The reference, with the source of each step, is
// src/targets/lut-tensor-core/{tables,arithmetic}.ts. Lookups, which depend on the instruction set, are in
// lut_tensor_core_lookups.hpp.

/// Whether input j of a table is subtracted in the entry that a selector picks: bits 2..0 name one of the eight entries with
/// input 3 subtracted, bit 3 negates it.
struct SelectorSigns {
  alignas(64) std::uint32_t of_input[4][16];

  constexpr SelectorSigns() : of_input{} {
    for (int selector = 0; selector < 16; ++selector) {
      const bool negated = selector >= 8;
      for (int j = 0; j < 3; ++j) of_input[j][selector] = (selector >> j & 1) != negated ? 0 : 0x80000000u;
      of_input[3][selector] = negated ? 0 : 0x80000000u;
    }
  }
};

static constexpr SelectorSigns selector_signs{};

/// Sums of four inputs for every selector, added left to right.
static inline Entries selected_sums(const float* x) {
  Entries sums{};
  for (int j = 0; j < 4; ++j) {
    const Entries term = (Entries)((EntryBits)(Entries{} + x[j]) ^ *(const EntryBits*)selector_signs.of_input[j]);
    sums = j == 0 ? term : sums + term;
  }
  return sums;
}

/// The nearest 8-bit float, half to even and saturating; infinities stay.
static inline float to_float8_value(float value, int fraction, int least_exponent, float largest) {
  const float magnitude = __builtin_fabsf(value);
  if (!(magnitude <= 3.4028235e38f)) return value;
  std::uint32_t bits;
  __builtin_memcpy(&bits, &magnitude, 4);
  int exponent = (int)(bits >> 23) - 127;
  if (exponent < least_exponent) exponent = least_exponent;
  bits = (std::uint32_t)(exponent - fraction + 127) << 23;
  float step;
  __builtin_memcpy(&step, &bits, 4);
  const float magic = 12582912.0f;  // 1.5 · 2^23: the addition rounds half to even
  const float rounded = ((magnitude / step + magic) - magic) * step;
  return __builtin_copysignf(rounded < largest ? rounded : largest, value);
}

static void lut_tensor_core_round(const float* x, std::size_t columns, LutInput format, float* out) {
  std::size_t i = 0;
#if defined(__F16C__)
  for (; format == LutInput::float16 && i + 8 <= columns; i += 8) {
    const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(halves));
  }
#endif
  for (; i < columns; ++i) {
    out[i] = format == LutInput::float16 ? __builtin_copysignf(to_float16_value(x[i]), x[i])
             : format == LutInput::e4m3  ? to_float8_value(x[i], 3, -6, 448.0f)
                                         : to_float8_value(x[i], 2, -14, 57344.0f);
  }
}

/// Integer codes, as float32, and the factor that made them.
static float lut_tensor_core_quantize(const float* x, std::size_t columns, float largest_code, float* codes) {
  float largest = 1e-5f;
  for (std::size_t i = 0; i < columns; ++i) {
    const float magnitude = __builtin_fabsf(x[i]);
    // NaN is taken and never given up again, so that the factor tells of it.
    largest = magnitude > largest || magnitude != magnitude ? magnitude : largest;
  }
  const float scale = largest_code / largest;
  for (std::size_t i = 0; i < columns; ++i) {
    const float magic = 12582912.0f;
    const float rounded = (x[i] * scale + magic) - magic;
    const float high = rounded < largest_code ? rounded : largest_code;
    codes[i] = high > -largest_code - 1 ? high : -largest_code - 1;
  }
  return scale;
}

/// The unit of INT8 entries of at most `most`, and its reciprocal.
static inline void lut_tensor_core_unit(float most, bool power_of_two, float* scale, float* unit) {
  if (power_of_two && most > 0 && most <= 3.4028235e38f) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, &most, 4);
    // most = m · 2^e with 1 ≤ m < 2: 127 · 2^(e − 6) is 1.984375 · 2^e.
    const bool above = (bits & 0x7fffffu) > 0x7e0000u;
    bits = (bits & 0xff800000u) - ((above ? 5u : 6u) << 23);
    __builtin_memcpy(scale, &bits, 4);
    *unit = 1.0f / *scale;
    return;
  }
  *scale = most / 127.0f;
  *unit = most == 0 ? 0.0f : 127.0f / most;
}

/// INT8 entries of rounded inputs, with a scale for every `table_group` of them.
static void lut_tensor_core_rounded_entries(const LutTensorCore& w, const float* x, std::int8_t* entries, float* scales) {
  for (std::size_t run = 0; run < w.columns / w.table_group; ++run, x += w.table_group) {
    float most = 0;
    for (std::size_t i = 0; i < w.table_group; i += 4) {
      // The largest entry: all four terms of one sign.
      const float sum = ((__builtin_fabsf(x[i]) + __builtin_fabsf(x[i + 1])) + __builtin_fabsf(x[i + 2])) + __builtin_fabsf(x[i + 3]);
      most = sum > most || sum != sum ? sum : most;
    }
    float unit;
    lut_tensor_core_unit(most, w.power_of_two, scales + run, &unit);
    for (std::size_t i = 0; i < w.table_group; i += 4, entries += 16) {
      const Entries magic = Entries{} + 12582912.0f;
      const Entries rounded = (selected_sums(x + i) * unit + magic) - magic;
      const EntryCodes bytes = __builtin_convertvector(__builtin_convertvector(rounded, EntryBits), EntryCodes);
      __builtin_memcpy(entries, &bytes, 16);
    }
  }
}

/// Exact entries of integer inputs as bytes of rising weight, each in a plane of its own.
static void lut_tensor_core_exact_entries(const LutTensorCore& w, const float* x, std::int8_t* entries) {
  for (std::size_t i = 0; i < w.columns; i += 4, entries += 16) {
    EntryBits sums = __builtin_convertvector(selected_sums(x + i), EntryBits);
    for (int byte = 0; byte < w.entry_bytes; ++byte, sums >>= 8) {
      const EntryCodes codes = __builtin_convertvector(sums, EntryCodes);
      __builtin_memcpy(entries + byte * w.entry_stride(), &codes, 16);
    }
  }
}

/// Tables of one token.
static void lut_tensor_core_tables(const LutTensorCore& w, const float* input, const LutTables& tables) {
  auto* x = (float*)allocate(w.columns * sizeof(float));
  if (w.exact()) {
    const float scale = lut_tensor_core_quantize(input, w.columns, w.input == LutInput::int8 ? 127.0f : 32767.0f, x);
    *tables.token_units = 1.0f / scale;
    lut_tensor_core_exact_entries(w, x, tables.entries);
  } else {
    lut_tensor_core_round(input, w.columns, w.input, x);
    lut_tensor_core_rounded_entries(w, x, tables.entries, tables.scales);
  }
  for (std::size_t group = 0, i = 0; group < w.columns / w.group; ++group) {
    float sum = 0;
    std::int32_t exact_sum = 0;
    for (const std::size_t end = i + w.group; i < end; i += 4) {
      const float four = ((x[i] + x[i + 1]) + x[i + 2]) + x[i + 3];
      if (w.exact()) {
        exact_sum += four == four ? (std::int32_t)four : 0;
      } else {
        sum += four;
      }
    }
    if (w.exact()) {
      tables.exact_sums[group] = exact_sum;
    } else {
      tables.sums[group] = sum;
    }
  }
  release(x);
}

#include "lut_tensor_core_lookups.hpp"

/// Which selectors are taken together: four lines of the pack, each of one table and one plane.
struct LutStep {
  std::size_t tables;           // that the four lines belong to: 4 with one bit, 2 with two bits, else 1
  std::size_t offsets[4];       // of the lines, in bytes from the first
  std::uint32_t table_of_line;  // 16 times the table of every line, a byte each

  explicit LutStep(const LutTensorCore& w) : tables(w.bits == 1 ? 4 : w.bits == 2 ? 2 : 1), table_of_line(0) {
    const std::size_t side_by_side = w.tile_inputs / 4;
    for (std::size_t line = 0; line < 4; ++line) {
      const std::size_t table = line / w.bits, plane = line % w.bits;
      offsets[line] = 0;
      if (table >= tables) continue;  // three bits leave the fourth line out: any of weight 0 will do
      offsets[line] = ((table / side_by_side * w.bits + plane) * side_by_side + table % side_by_side) * (w.tile_outputs / 2);
      table_of_line |= (std::uint32_t)(16 * table) << (8 * line);
    }
  }

  /// 2^plane of every line whose table is in [first, last), a byte each.
  std::uint32_t weights(std::size_t bits, std::size_t first, std::size_t last) const {
    std::uint32_t bytes = 0;
    for (std::size_t line = 0; line < 4; ++line) {
      const std::size_t table = line / bits;
      if (table < tables && table >= first && table < last) bytes |= (1u << line % bits) << (8 * line);
    }
    return bytes;
  }

  /// The same for the last tables of a group that is no whole number of steps: nothing behind them is read.
  LutStep only(std::size_t count) const {
    LutStep step = *this;
    for (int line = 0; line < 4; ++line) {
      if ((table_of_line >> (8 * line) & 255) / 16 >= count) step.offsets[line] = 0;
    }
    return step;
  }
};

/// Takes the zero points' share off the sums of a weight group, scales them and adds them to `y`.
template <int tokens, int strips, int bytes>
static inline void lut_tensor_core_add_group(const LutTensorCore& w, const LutTables& in, std::size_t tile,
                                             std::size_t in_tile, std::size_t group,
                                             const F32 (&sums)[tokens][strips][lut_vectors],
                                             const I32 (&counts)[bytes][tokens][strips][lut_vectors],
                                             F32 (&y)[tokens][strips][lut_vectors]) {
  const std::size_t groups = w.columns / w.group;
  for (int strip = 0; strip < strips; ++strip) {
    F32 scales[lut_vectors], zeros[lut_vectors];
    if (w.one_scale) {
      for (F32& scale : scales) scale = splat(w.scales[0]);
      for (F32& zero : zeros) zero = splat(w.zero_points ? (float)w.zero_points[0] : 1.0f);
    } else {
      const std::size_t place = (tile * groups + group) * w.tile_outputs + in_tile + 32 * strip;
      lut_in_order(w.scales + place, scales);
      float wide[32];
      for (int i = 0; i < 32; ++i) wide[i] = w.zero_points ? (float)w.zero_points[place + i] : 1.0f;
      lut_in_order(wide, zeros);
    }
    for (int t = 0; t < tokens; ++t) {
      for (int v = 0; v < lut_vectors; ++v) {
        F32 centred;
        if (bytes == 1) {
          centred = lut_fused(-zeros[v], splat(in.sums[t * groups + group]), sums[t][strip][v]);
        } else {
          I32 total = counts[bytes - 1][t][strip][v];
          for (int byte = bytes - 2; byte >= 0; --byte) total = (total << 8) + counts[byte][t][strip][v];
          total -= __builtin_convertvector(zeros[v], I32) * splat_int(in.exact_sums[t * groups + group]);
          centred = __builtin_convertvector(total, F32);
        }
        y[t][strip][v] = lut_fused(centred, scales[v], y[t][strip][v]);
      }
    }
  }
}

/// Outputs of `strips` times 32 rows of one tile, from `first` on, for `tokens` tokens side by side. A step's lookups are
/// cut into `parts` of one table scale each; with none they are summed as integers over several steps.
template <int tokens, int strips, int bytes, int parts>
static void lut_tensor_core_strips(const LutTensorCore& w, const LutTables& in, std::size_t first, bool add, float* out) {
  const std::size_t tables = w.columns / 4, groups = w.columns / w.group, runs = w.columns / w.table_group;
  const std::size_t group_tables = w.group / 4, run_tables = w.table_group / 4;
  const std::size_t side_by_side = w.tile_inputs / 4, line = w.tile_outputs / 2;
  const std::size_t tile = first / w.tile_outputs, in_tile = first % w.tile_outputs;
  const std::uint8_t* selectors = w.selectors + tile * tables * w.bits * line + in_tile / 2;
  const std::size_t token_entries = w.entry_stride() * bytes;
  const LutStep whole(w);
  const std::size_t left_over = group_tables % whole.tables;
  const LutStep rest = whole.only(left_over);
  I32 weights[parts == 0 ? 1 : parts], rest_weights = splat_int((std::int32_t)whole.weights(w.bits, 0, left_over));
  weights[0] = splat_int((std::int32_t)whole.weights(w.bits, 0, whole.tables));
  for (int part = 0; part < parts; ++part)
    weights[part] = splat_int((std::int32_t)whole.weights(w.bits, part * run_tables, (part + 1) * run_tables));
  F32 y[tokens][strips][lut_vectors]{};

  for (std::size_t group = 0; group < groups; ++group) {
    F32 sums[tokens][strips][lut_vectors]{};
    I32 counts[bytes][tokens][strips][lut_vectors]{};
    const auto take = [&](const LutStep& step, std::size_t table, std::size_t present, I32 all) __attribute__((always_inline)) {
      const std::size_t place = table / side_by_side * w.bits * side_by_side + table % side_by_side;
#pragma GCC unroll 2
      for (int strip = 0; strip < strips; ++strip) {
        const LutSelectors four(selectors + place * line + 16 * strip, step.offsets, step.table_of_line, tokens == 1);
#pragma GCC unroll 4
        for (int t = 0; t < tokens; ++t) {
          const std::int8_t* entries = in.entries + t * token_entries + table * 16;
          const float* scales = in.scales + t * runs + table / run_tables;
#pragma GCC unroll 3
          for (int byte = 0; byte < bytes; ++byte) {
            I32 found[lut_vectors];
            four.look_up(entries + byte * w.entry_stride(), found);
#pragma GCC unroll 8
            for (int v = 0; v < lut_vectors; ++v) {
              I32& count = counts[byte][t][strip][v];
              if (parts == 0) {
                count = byte + 1 < bytes ? lut_dot_unsigned(count, found[v], all) : lut_dot_signed(count, found[v], all);
              }
#pragma GCC unroll 4
              for (int part = 0; part < parts; ++part) {
                if (part > 0 && part * run_tables >= present) break;
                F32& sum = sums[t][strip][v];
                const I32 picked = lut_dot_signed(I32{}, found[v], weights[part]);
                sum = lut_fused(__builtin_convertvector(picked, F32), splat(scales[part]), sum);
              }
            }
          }
        }
      }
    };
    const std::size_t end = (group + 1) * group_tables;
    for (std::size_t table = group * group_tables; table + left_over < end;) {
      const std::size_t run = table / run_tables;
      std::size_t run_end = parts == 0 && bytes == 1 ? table + run_tables : end - left_over;
      for (; table < run_end; table += whole.tables) take(whole, table, whole.tables, weights[0]);
      for (int t = 0; parts == 0 && bytes == 1 && t < tokens; ++t) {
        for (int strip = 0; strip < strips; ++strip) {
          for (int v = 0; v < lut_vectors; ++v) {
            I32& count = counts[0][t][strip][v];
            F32& sum = sums[t][strip][v];
            sum = lut_fused(__builtin_convertvector(count, F32), splat(in.scales[t * runs + run]), sum);
            count = I32{};
          }
        }
      }
    }
    if (left_over > 0) take(rest, end - left_over, left_over, rest_weights);
    lut_tensor_core_add_group<tokens, strips, bytes>(w, in, tile, in_tile, group, sums, counts, y);
  }

  for (int t = 0; t < tokens; ++t) {
    for (int strip = 0; strip < strips; ++strip) {
      float values[32];
      lut_out_of_order(y[t][strip], values);
      float* to = out + (std::size_t)t * w.rows + first + 32 * strip;
      const float unit = w.exact() ? in.token_units[t] : 1.0f;
      for (int i = 0; i < 32; ++i) to[i] = add ? to[i] + values[i] * unit : values[i] * unit;
    }
  }
}

template <int bytes, int parts>
static void lut_tensor_core_tokens(const LutTensorCore& w, LutTables in, std::size_t tokens, std::size_t first,
                                   std::size_t last, bool add, float* out) {
  for (; tokens >= lut_most_tokens; tokens -= lut_most_tokens, out += lut_most_tokens * w.rows) {
    for (std::size_t row = first; row < last; row += 32)
      lut_tensor_core_strips<lut_most_tokens, 1, bytes, parts>(w, in, row, add, out);
    in.skip(w, lut_most_tokens);
  }
  for (; tokens > 0; --tokens, out += w.rows) {
    for (std::size_t row = first; row < last;) {
      // Two strips of a tile share the cache lines of their selectors.
      if (row + 64 <= last && row % w.tile_outputs + 64 <= w.tile_outputs) {
        lut_tensor_core_strips<1, 2, bytes, parts>(w, in, row, add, out);
        row += 64;
      } else {
        lut_tensor_core_strips<1, 1, bytes, parts>(w, in, row, add, out);
        row += 32;
      }
    }
    in.skip(w, 1);
  }
}

/// Outputs [tokens][N] of the rows [first, last), both multiples of 32.
static void lut_tensor_core_multiply(const LutTensorCore& w, const LutTables& tables, std::size_t tokens,
                                     std::size_t first, std::size_t last, bool add, float* out) {
  const std::size_t parts = LutStep(w).tables / (w.table_group / 4);  // 0 where a run is longer than a step
  if (w.entry_bytes == 2) {
    lut_tensor_core_tokens<2, 0>(w, tables, tokens, first, last, add, out);
  } else if (w.entry_bytes == 3) {
    lut_tensor_core_tokens<3, 0>(w, tables, tokens, first, last, add, out);
  } else if (parts == 0) {
    lut_tensor_core_tokens<1, 0>(w, tables, tokens, first, last, add, out);
  } else if (parts == 1) {
    lut_tensor_core_tokens<1, 1>(w, tables, tokens, first, last, add, out);
  } else if (parts == 2) {
    lut_tensor_core_tokens<1, 2>(w, tables, tokens, first, last, add, out);
  } else {
    lut_tensor_core_tokens<1, 4>(w, tables, tokens, first, last, add, out);
  }
}
