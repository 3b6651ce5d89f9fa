// Tables of values as seen from JavaScript; the references are src/kernels/shared-tables.ts and own-tables.ts.
#include "bind.hpp"
#include "bindings.hpp"
#include "grouped_weights.hpp"

#include <algorithm>

namespace luthier {
namespace {

/// Weights that a thread takes at once where every run has a table of its own: enough work to be worth a wake-up.
constexpr std::size_t own_weights = 16384;

bool sound(const SharedTables& task, std::size_t values) {
  bool sound = task.group >= 1 && task.tables >= 1 && task.tables <= 256 && task.starts[0] == 0 && task.starts[task.tables] == values;
  for (std::size_t i = 0; sound && i < task.tables; ++i) {
    const std::size_t length = std::size_t{task.starts[i + 1]} - task.starts[i];
    sound = task.starts[i + 1] > task.starts[i] && length <= most_values && task.starts[i + 1] <= values;
  }
  return sound;
}

}  // namespace

/// sharedTables(path, threads, shape, values, weights, codes, scales, selectors); shape as in src/kernels/kernels.ts
Napi::Value shared_tables(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  std::size_t numbers, values, length;
  const auto* shape = arguments.array<std::uint32_t>("shape", numbers);
  const auto* table_values = arguments.array<float>("values", values);
  if (numbers < 4) throw Napi::RangeError::New(info.Env(), "shape is none of tables");
  const SharedTables task{shape[0], numbers - 3, shape[1] != 0, table_values, shape + 2};
  if (!sound(task, values)) throw Napi::RangeError::New(info.Env(), "shape is none of tables");
  const float* weights = arguments.array<float>("weights", length);
  const std::size_t runs = length / task.group;
  auto* codes = arguments.array<std::uint8_t>(runs * task.group, "codes");
  auto* scales = arguments.array<float>(runs, "scales");
  auto* selectors = arguments.array<std::uint8_t>(runs, "selectors");
  return run_async(info, [=, &path] {
    for_runs(runs, threads, [&](std::size_t first, std::size_t last) {
      path.shared_tables(task, weights, first, last, codes, scales, selectors);
    });
  });
}

/// ownTables(path, threads, weights, group, values, importance, codes, tables)
Napi::Value own_tables(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const GroupedWeights given(arguments);
  OwnTables task{};
  task.group = given.group;
  task.values = arguments.count("values", 2, most_values);
  task.importance = arguments.array<double>("importance", task.columns);
  if (task.columns < 1 || task.columns % task.group != 0 || given.length % task.columns != 0 || task.group > 1u << 30) {
    throw Napi::RangeError::New(info.Env(), "importance is none of whole groups and rows");
  }
  const std::size_t runs = given.runs();
  auto* codes = arguments.array<std::uint8_t>(given.length, "codes");
  auto* tables = arguments.array<float>(runs * task.values, "tables");
  return run_async(info, [=] {
    const auto work = [&](std::size_t first, std::size_t last) {
      given.path.own_tables(task, given.weights, first, last, codes, tables);
    };
    for_runs(runs, given.threads, work, std::max<std::size_t>(1, own_weights / task.group));
  });
}

}  // namespace luthier
