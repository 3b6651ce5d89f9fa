// Fits of the tables of a run of positions, from what fit_tables_visit.hpp has summed. The reference is
// src/kernels/fit-tables.ts. Rows of tables are lanes: weight ids, or input ids where rows of a block are gone through.

/// What fitting a run of a block works with.
struct FitRun {
  double* sums;     // [inputs][width]
  double* later;    // [inputs][width]: how much of them the run's positions before have given since
  float* chunk;     // [inputs][width]: the same of a chunk of tokens
  float* columns;   // [run][width][height]: the changes by weight id
  float* given;     // [width][height]: what a change gives to the outputs of a later weight id
  float* seen;      // [run][inputs][width]: the same by input id, of each change
};

/// The float64 sums over all chunks.
static void fit_total(const float* sums, std::size_t chunks, std::size_t stride, std::size_t cells, double* to) {
  __builtin_memset(to, 0, cells * sizeof(double));
  for (std::size_t chunk = 0; chunk < chunks; ++chunk, sums += stride) {
    for (std::size_t i = 0; i < cells; ++i) to[i] += (double)sums[i];
  }
}

/// What the change of the run's position `earlier` gives to the outputs of each weight id of position `later`.
static void fit_seen(const FitTables& task, const FitBlock& block, std::size_t earlier, std::size_t later, FitRun& run) {
  const std::size_t width = task.width(), height = task.height();
  const float* columns = run.columns + earlier * width * height;
  __builtin_memset(run.given, 0, width * height * sizeof(float));
  for (std::size_t row = 0; row < block.rows; ++row) {
    const std::uint8_t* ids = block.next + row * fit_run;
    const float* from = columns + ids[earlier] * height;
    float* to = run.given + ids[later] * height;
    for (std::size_t i = 0; i < height; i += lanes) fit_store(to + i, fit_load(to + i) + fit_load(from + i));
  }
  float* seen = run.seen + earlier * task.inputs * width;
  for (std::size_t input = 0; input < task.inputs; ++input) {
    for (std::size_t id = 0; id < width; ++id) seen[input * width + id] = run.given[id * height + input];
  }
}

/// Sums over all tokens what the changes before the run's position `later` have given, by this position's input ids.
static void fit_later(const FitTables& task, std::size_t first, std::size_t later, FitRun& run) {
  const std::size_t width = task.width(), cells = task.inputs * width;
  __builtin_memset(run.later, 0, cells * sizeof(double));
  for (std::size_t begin = 0; begin < task.tokens; begin += fit_chunk) {
    const std::size_t end = task.tokens - begin < fit_chunk ? task.tokens : begin + fit_chunk;
    __builtin_memset(run.chunk, 0, cells * sizeof(float));
    for (std::size_t token = begin; token < end; ++token) {
      const std::uint8_t* input = task.input_ids + first * task.tokens + token;
      for (std::size_t id = 0; id < width; id += lanes) {
        F32 sum{};
        for (std::size_t i = 0; i < later; ++i) {
          sum += fit_load(run.seen + (i * task.inputs + input[i * task.tokens]) * width + id);
        }
        float* to = run.chunk + input[later * task.tokens] * width + id;
        fit_store(to, fit_load(to) + sum);
      }
    }
    for (std::size_t i = 0; i < cells; ++i) run.later[i] += (double)run.chunk[i];
  }
}

/// The level nearest to an entry, half to even.
static inline double fit_on_grid(float entry, double minimum, double step, double levels) {
  const double at = ((double)entry - minimum) / step;
  double level = (float)(at + 12582912.0) - 12582912.0f;  // 1.5 · 2^23
  level = level > levels ? levels : level;
  level = level <= 0 ? 0 : level;
  return minimum + step * level;
}

/// Fits the entries of a position; `weights` are the block's outputs of each weight id.
static void fit_entries(const FitTables& task, const FitBlock& block, std::size_t position, const double* weights,
                        const double* sums, float* changes) {
  const std::size_t width = task.width();
  float* table = task.table(position, block.block);
  const bool free = task.minimums == nullptr;
  const double minimum = free ? 0 : task.minimums[block.block], step = free ? 1 : task.steps[block.block];
  const std::uint32_t* met = task.met + position * task.inputs;
  for (std::size_t input = 0; input < task.inputs; ++input) {
    const double tokens = met[input] + task.inertia;
    for (std::size_t id = 0; id < task.centroids; ++id) {
      const std::size_t at = input * width + id;
      const float entry = table[input * task.centroids + id];
      const double weight = weights[id] * tokens;
      const float wanted = weight > 0 ? (float)((double)entry + sums[at] / weight) : entry;
      const float fitted = free ? wanted : (float)fit_on_grid(wanted, minimum, step, task.levels);
      table[input * task.centroids + id] = fitted;
      changes[at] = fitted - entry;
    }
  }
}

static void fit_tables_run(const FitTables& task, const FitBlock& block, std::size_t first) {
  const std::size_t width = task.width(), height = task.height(), cells = task.inputs * width;
  const std::size_t count = task.positions - first < fit_run ? task.positions - first : fit_run;
  FitRun run;
  run.sums = (double*)allocate(2 * cells * sizeof(double));
  run.later = run.sums + cells;
  run.chunk = (float*)allocate((cells + (fit_run + 1) * width * height + fit_run * cells) * sizeof(float));
  run.given = run.chunk + cells;
  run.columns = run.given + width * height;
  run.seen = run.columns + fit_run * width * height;
  __builtin_memset(block.changes, 0, fit_run * cells * sizeof(float));
  for (std::size_t i = 0; i < count; ++i) {
    fit_total(block.sums + i * cells, task.chunks(), fit_run * cells, cells, run.sums);
    if (i > 0) {
      for (std::size_t earlier = 0; earlier < i; ++earlier) fit_seen(task, block, earlier, i, run);
      fit_later(task, first, i, run);
      for (std::size_t at = 0; at < cells; ++at) run.sums[at] -= run.later[at];
    }
    double weights[256]{};
    for (std::size_t row = 0; row < block.rows; ++row) weights[block.next[row * fit_run + i]] += 1;
    float* changes = block.changes + i * cells;
    fit_entries(task, block, first + i, weights, run.sums, changes);
    float* columns = run.columns + i * width * height;
    for (std::size_t id = 0; id < width; ++id) {
      for (std::size_t input = 0; input < height; ++input) {
        columns[id * height + input] = input < task.inputs ? changes[input * width + id] : 0;
      }
    }
  }
  release(run.sums);
  release(run.chunk);
}
