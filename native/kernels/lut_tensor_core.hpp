// LUT Tensor Core products on one thread. The reference, with the source of each step, is
// src/targets/lut-tensor-core/arithmetic.ts. The lookups depend on the instruction set.

#include "lut_tensor_core_lookups.hpp"
#include "lut_tensor_core_tables.hpp"

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
