// Scaled tables of values on a register of runs at once. The reference is src/kernels/shared-tables.ts.

/// A table of each lane, and the middles between its values.
struct LaneTable {
  std::size_t count = 0;
  F32* levels;   // [most_values]
  F32* middles;  // [most_values]

  void find_middles() {
    for (std::size_t i = 0; i + 1 < count; ++i) middles[i] = (levels[i] + levels[i + 1]) * 0.5f;
  }

  /// The squared error of the nearest values.
  Sum error(const F32* w, std::size_t group) const {
    Sum sum;
    for (std::size_t i = 0; i < group; ++i) {
      F32 nearest = levels[0];
      for (std::size_t j = 0; j + 1 < count; ++j) nearest = w[i] > middles[j] ? levels[j + 1] : nearest;
      const F32 difference = w[i] - nearest;
      sum.add(difference * difference);
    }
    return sum;
  }

  I32 code(F32 w) const {
    I32 code{};
    for (std::size_t j = 0; j + 1 < count; ++j) code -= w > middles[j];  // a comparison is 0 or −1
    return code;
  }
};

static float scale_for(float most, const float* table, std::size_t count, bool powers_of_two) {
  float largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float magnitude = __builtin_fabsf(table[i]);
    largest = magnitude > largest ? magnitude : largest;
  }
  float scale = most / largest;
  if (powers_of_two) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, &scale, 4);
    bits = (bits + 0x400000u) & 0x7f800000u;
    __builtin_memcpy(&scale, &bits, 4);
  }
  const float stored = to_float16_value(scale);
  return stored > 0x1p-24f ? stored : 0x1p-24f;
}

/// What some runs have come to.
struct LaneChoice {
  double least[lanes];
  float scale[lanes];
  std::uint8_t selector[lanes];
};

static LaneChoice choose_tables(const SharedTables& task, const F32* w, LaneTable& table) {
  F32 most{};
  for (std::size_t i = 0; i < task.group; ++i) {
    const F32 magnitude = absolute(w[i]);
    most = magnitude > most ? magnitude : most;
  }
  LaneChoice choice{};
  for (std::size_t selector = 0; selector < task.tables; ++selector) {
    const float* values = task.values + task.starts[selector];
    table.count = task.starts[selector + 1] - task.starts[selector];
    F32 scale;
    for (int lane = 0; lane < lanes; ++lane) scale[lane] = scale_for(most[lane], values, table.count, task.powers_of_two);
    for (std::size_t i = 0; i < table.count; ++i) table.levels[i] = values[i] * scale;
    table.find_middles();
    Sum error;
    if (task.tables > 1) error = table.error(w, task.group);
    for (int lane = 0; lane < lanes; ++lane) {
      if (selector > 0 && !(error[lane] < choice.least[lane])) continue;
      choice.least[lane] = error[lane];
      choice.scale[lane] = scale[lane];
      choice.selector[lane] = (std::uint8_t)selector;
    }
  }
  return choice;
}

/// The tables that the lanes have chosen; shorter ones are filled up with values that are never reached.
static void gather_tables(const SharedTables& task, const LaneChoice& choice, LaneTable& table) {
  table.count = 0;
  for (int lane = 0; lane < lanes; ++lane) {
    const std::uint32_t* start = task.starts + choice.selector[lane];
    table.count = start[1] - start[0] > table.count ? start[1] - start[0] : table.count;
  }
  for (int lane = 0; lane < lanes; ++lane) {
    const std::uint32_t* start = task.starts + choice.selector[lane];
    for (std::size_t i = 0; i < table.count; ++i) {
      table.levels[i][lane] = i < start[1] - start[0] ? task.values[start[0] + i] * choice.scale[lane] : __builtin_inff();
    }
  }
  table.find_middles();
}

static void shared_tables(const SharedTables& task, const float* weights, std::size_t first, std::size_t last,
                          std::uint8_t* codes, float* scales, std::uint8_t* selectors) {
  auto* w = (F32*)__builtin_assume_aligned(allocate((task.group + 2 * most_values) * sizeof(F32)), 64);
  LaneTable table{0, w + task.group, w + task.group + most_values};
  for (std::size_t run = first; run < last; run += lanes) {
    const std::size_t count = last - run < lanes ? last - run : lanes;
    gather_runs(weights, task.group, run, count, (float*)w);
    const LaneChoice choice = choose_tables(task, w, table);
    gather_tables(task, choice, table);
    for (std::size_t i = 0; i < task.group; ++i) {
      const I32 code = table.code(w[i]);
      for (std::size_t lane = 0; lane < count; ++lane) codes[(run + lane) * task.group + i] = (std::uint8_t)code[lane];
    }
    for (std::size_t lane = 0; lane < count; ++lane) {
      scales[run + lane] = choice.scale[lane];
      selectors[run + lane] = choice.selector[lane];
    }
  }
  release(w);
}
