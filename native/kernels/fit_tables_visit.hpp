// Passes over the residual of table fits. The reference, with the order of the sums, is src/kernels/fit-tables.ts.
// Tokens are lanes. A tile of them goes through all outputs of a block at once: the changes and sums of every position of a
// run, side by side for each id, fit the first cache, and a row of the tile stays in registers for the whole run.

constexpr int fit_vectors = 2;
constexpr std::size_t fit_tile = fit_vectors * lanes;

/// Outputs whose residual is fetched ahead: rows lie too far apart for the processor to foresee.
constexpr std::size_t fit_ahead = 12;

static inline F32 fit_load(const float* from) {
  F32 out;
  __builtin_memcpy(&out, from, sizeof out);
  return out;
}

static inline void fit_store(float* to, F32 x) { __builtin_memcpy(to, &x, sizeof x); }

/// a₀ b₀ a₁ b₁ …: the first half of the lanes to `low`, the second to `high`.
static inline void fit_interleave(F32 a, F32 b, F32& low, F32& high) {
#if defined(__AVX512F__)
  const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  low = (F32)_mm512_permutex2var_ps((__m512)a, first, (__m512)b);
  high = (F32)_mm512_permutex2var_ps((__m512)a, second, (__m512)b);
#elif defined(__AVX2__)
  const __m256 even = _mm256_unpacklo_ps((__m256)a, (__m256)b), odd = _mm256_unpackhi_ps((__m256)a, (__m256)b);
  low = (F32)_mm256_permute2f128_ps(even, odd, 0x20);
  high = (F32)_mm256_permute2f128_ps(even, odd, 0x31);
#else
  low = F32{a[0], b[0], a[1], b[1]};
  high = F32{a[2], b[2], a[3], b[3]};
#endif
}

/// Rows become columns: log2(lanes) perfect shuffles.
static inline void fit_transpose(F32 (&x)[lanes]) {
#pragma GCC unroll 4
  for (int step = 1; step < lanes; step *= 2) {
    F32 y[lanes];
#pragma GCC unroll 8
    for (int i = 0; i < lanes / 2; ++i) fit_interleave(x[i], x[i + lanes / 2], y[2 * i], y[2 * i + 1]);
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) x[i] = y[i];
  }
}

/// The input ids of a run at some tokens; positions beyond the last have the last's.
static inline const std::uint8_t* fit_input_ids(const FitTables& task, std::size_t position, std::size_t token) {
  return task.input_ids + (position < task.positions ? position : task.positions - 1) * task.tokens + token;
}

/// `[run][inputs][width]` as a tile of tokens meets it: `[width][run][tile]`.
static void fit_expand(const FitTables& task, const float* changes, std::size_t first, std::size_t token,
                       std::size_t tokens, float* to) {
  const std::size_t width = task.width();
  for (std::size_t i = 0; i < fit_run; ++i, changes += task.inputs * width) {
    const std::uint8_t* inputs = fit_input_ids(task, first + i, token);
    for (std::size_t at = 0; at < fit_tile; at += lanes) {
      for (std::size_t id = 0; id < width; id += lanes) {
        F32 x[lanes]{};
#pragma GCC unroll 16
        for (std::size_t lane = 0; lane < lanes; ++lane) {
          if (at + lane < tokens) x[lane] = fit_load(changes + inputs[at + lane] * width + id);
        }
        fit_transpose(x);
#pragma GCC unroll 16
        for (std::size_t lane = 0; lane < lanes; ++lane) {
          fit_store(to + ((id + lane) * fit_run + i) * fit_tile + at, x[lane]);
        }
      }
    }
  }
}

/// Adds the sums of a tile `[width][run][tile]` to those of its tokens' input ids, `[run][inputs][width]`.
static void fit_reduce(const FitTables& task, const float* from, std::size_t first, std::size_t token, std::size_t tokens,
                       float* sums) {
  const std::size_t width = task.width();
  for (std::size_t i = 0; i < fit_run; ++i, sums += task.inputs * width) {
    const std::uint8_t* inputs = fit_input_ids(task, first + i, token);
    for (std::size_t at = 0; at < tokens; at += lanes) {
      const std::size_t count = tokens - at < lanes ? tokens - at : lanes;
      for (std::size_t id = 0; id < width; id += lanes) {
        F32 x[lanes];
#pragma GCC unroll 16
        for (std::size_t lane = 0; lane < lanes; ++lane) {
          x[lane] = fit_load(from + ((id + lane) * fit_run + i) * fit_tile + at);
        }
        fit_transpose(x);
#pragma GCC unroll 16
        for (std::size_t lane = 0; lane < lanes; ++lane) {
          if (lane >= count) break;
          float* to = sums + inputs[at + lane] * width + id;
          fit_store(to, fit_load(to) + x[lane]);
        }
      }
    }
  }
}

/// A row of a tile: its residual, less the changes of its ids, is added to the sums of its next ids.
template <bool subtracts, bool adds>
static inline void fit_row(float* residual, const std::uint8_t* ids, const float* changes, const std::uint8_t* next,
                           float* sums) {
  F32 x[fit_vectors];
#pragma GCC unroll 2
  for (int v = 0; v < fit_vectors; ++v) x[v] = fit_load(residual + v * lanes);
  if (subtracts) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < fit_run; ++i) {
      const float* change = changes + ids[i] * (fit_run * fit_tile) + i * fit_tile;
#pragma GCC unroll 2
      for (int v = 0; v < fit_vectors; ++v) x[v] -= fit_load(change + v * lanes);
    }
#pragma GCC unroll 2
    for (int v = 0; v < fit_vectors; ++v) fit_store(residual + v * lanes, x[v]);
  }
  if (adds) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < fit_run; ++i) {
      float* sum = sums + next[i] * (fit_run * fit_tile) + i * fit_tile;
#pragma GCC unroll 2
      for (int v = 0; v < fit_vectors; ++v) fit_store(sum + v * lanes, fit_load(sum + v * lanes) + x[v]);
    }
  }
}

template <bool subtracts, bool adds>
static void fit_tile_rows(const FitTables& task, const FitBlock& block, std::size_t token, std::size_t tokens,
                          const float* changes, float* sums) {
  for (std::size_t i = 0; i < block.rows; ++i) {
    float* residual = task.residual + (std::size_t)block.row[i] * task.tokens + token;
    const std::uint8_t *ids = block.ids + i * fit_run, *next = block.next + i * fit_run;
    if (tokens == fit_tile) {
      const std::size_t ahead = i + fit_ahead < block.rows ? i + fit_ahead : block.rows - 1;
      __builtin_prefetch(task.residual + (std::size_t)block.row[ahead] * task.tokens + token);
      fit_row<subtracts, adds>(residual, ids, changes, next, sums);
    } else {
      float whole[fit_tile]{};
      __builtin_memcpy(whole, residual, tokens * sizeof(float));
      fit_row<subtracts, adds>(whole, ids, changes, next, sums);
      __builtin_memcpy(residual, whole, tokens * sizeof(float));
    }
  }
}

static void fit_tables_visit(const FitTables& task, const FitBlock& block, std::size_t first, std::size_t next,
                             std::size_t chunk) {
  const std::size_t tile_floats = task.width() * fit_run * fit_tile, cells = fit_run * task.inputs * task.width();
  auto* changes = (float*)allocate(2 * tile_floats * sizeof(float));
  float* tile_sums = changes + tile_floats;
  float* sums = block.sums + chunk * cells;
  if (next != no_run) __builtin_memset(sums, 0, cells * sizeof(float));
  const std::size_t begin = chunk * fit_chunk;
  const std::size_t end = task.tokens - begin < fit_chunk ? task.tokens : begin + fit_chunk;
  for (std::size_t token = begin; token < end; token += fit_tile) {
    const std::size_t tokens = end - token < fit_tile ? end - token : fit_tile;
    if (first != no_run) fit_expand(task, block.changes, first, token, tokens, changes);
    if (next == no_run) {
      fit_tile_rows<true, false>(task, block, token, tokens, changes, tile_sums);
      continue;
    }
    __builtin_memset(tile_sums, 0, tile_floats * sizeof(float));
    if (first == no_run) {
      fit_tile_rows<false, true>(task, block, token, tokens, changes, tile_sums);
    } else {
      fit_tile_rows<true, true>(task, block, token, tokens, changes, tile_sums);
    }
    fit_reduce(task, tile_sums, next, token, tokens, sums);
  }
  release(changes);
}
