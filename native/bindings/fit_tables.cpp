// Table fits as seen from JavaScript; the reference is src/kernels/fit-tables.ts.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"
#include "scratch.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace luthier {
namespace {

/// The outputs of each block, rising.
using BlockRows = std::vector<std::vector<std::int32_t>>;

/// A call's task, and the memory that its pointers lead to.
struct Call {
  const Path& path;
  unsigned threads;
  FitTables task;
  std::size_t sweeps = 0;
  BlockRows rows;
  std::vector<std::uint32_t> met;

  std::size_t runs() const { return (task.positions + fit_run - 1) / fit_run; }
  std::size_t cells() const { return fit_run * task.inputs * task.width(); }
};

/// A block and its share of the wave's memory.
class Work {
 public:
  Work(const FitTables& task, std::size_t block, const std::vector<std::int32_t>& rows)
      : task_(task),
        ids_(rows.size() * fit_run),
        next_(rows.size() * fit_run),
        changes_(fit_run * task.inputs * task.width()),
        sums_(task.chunks() * fit_run * task.inputs * task.width()),
        block_{block, rows.size(), rows.data(), ids_.data, next_.data, changes_.data, sums_.data} {}

  const FitBlock& block() const { return block_; }

  /// What was next is at hand, and the run at `first` is next.
  void turn_to(std::size_t first) {
    std::swap(ids_, next_);
    block_.ids = ids_.data;
    block_.next = next_.data;
    gather_ids(first, next_.data);
  }

  /// The run at `first` is at hand, its tables as changes from nothing.
  void change_all(std::size_t first) {
    gather_ids(first, ids_.data);
    const std::size_t width = task_.width();
    std::fill_n(block_.changes, fit_run * task_.inputs * width, 0.0f);
    for (std::size_t i = 0; i < fit_run && first + i < task_.positions; ++i) {
      const float* table = task_.table(first + i, block_.block);
      for (std::size_t input = 0; input < task_.inputs; ++input) {
        std::copy_n(table + input * task_.centroids, task_.centroids, block_.changes + (i * task_.inputs + input) * width);
      }
    }
  }

 private:
  /// The ids of the run at `first`, `[rows][run]`.
  void gather_ids(std::size_t first, std::uint8_t* to) const {
    for (std::size_t i = 0; i < fit_run; ++i) {
      const std::uint8_t* ids = task_.ids + (first + i) * task_.rows;
      const bool exists = first + i < task_.positions;
      for (std::size_t row = 0; row < block_.rows; ++row) to[row * fit_run + i] = exists ? ids[block_.row[row]] : 0;
    }
  }

  const FitTables& task_;
  Scratch<std::uint8_t> ids_, next_;
  Scratch<float> changes_, sums_;
  FitBlock block_;
};

/// As many blocks at a time as there are threads: what they lack is gone through again for every run, and stays in caches
/// where it can.
template <class Each>
void each_wave(const Call& call, const Each& each) {
  for (std::size_t first = 0; first < call.task.blocks; first += call.threads) {
    std::vector<std::unique_ptr<Work>> wave;
    for (std::size_t block = first; block < std::min<std::size_t>(call.task.blocks, first + call.threads); ++block) {
      wave.push_back(std::make_unique<Work>(call.task, block, call.rows[block]));
    }
    each(wave);
  }
}

/// One pass over what a wave lacks.
void visit(const Call& call, const std::vector<std::unique_ptr<Work>>& wave, std::size_t first, std::size_t next) {
  const std::size_t chunks = call.task.chunks();
  parallel_for(wave.size() * chunks, call.threads, [&](std::size_t index) {
    call.path.fit_tables_visit(call.task, wave[index / chunks]->block(), first, next, index % chunks);
  });
}

void fit(const Call& call) {
  if (call.sweeps == 0) return;
  each_wave(call, [&](const auto& wave) {
    std::size_t first = no_run;
    for (std::size_t step = 0; step <= call.sweeps * call.runs(); ++step) {
      const std::size_t next = step == call.sweeps * call.runs() ? no_run : step % call.runs() * fit_run;
      parallel_for(wave.size(), call.threads, [&](std::size_t index) {
        Work& work = *wave[index];
        if (first != no_run) call.path.fit_tables_run(call.task, work.block(), first);
        work.turn_to(next == no_run ? 0 : next);
      });
      visit(call, wave, first, next);
      first = next;
    }
  });
}

void subtract(const Call& call) {
  each_wave(call, [&](const auto& wave) {
    for (std::size_t first = 0; first < call.task.positions; first += fit_run) {
      parallel_for(wave.size(), call.threads, [&](std::size_t index) { wave[index]->change_all(first); });
      visit(call, wave, first, no_run);
    }
  });
}

/// Counts tokens by input id and sorts outputs by block; throws where an id is beyond what it counts.
void look_up(const Napi::CallbackInfo& info, const std::int32_t* block_of_row, Call& call) {
  const FitTables& task = call.task;
  call.met.resize(task.positions * task.inputs);
  call.rows.resize(task.blocks);
  bool fits = true;
  for (std::size_t i = 0; i < task.positions * task.tokens; ++i) {
    if (task.input_ids[i] < task.inputs) {
      ++call.met[i / task.tokens * task.inputs + task.input_ids[i]];
    } else {
      fits = false;
    }
  }
  for (std::size_t i = 0; i < task.positions * task.rows; ++i) fits = fits && task.ids[i] < task.centroids;
  for (std::size_t row = 0; row < task.rows; ++row) {
    const auto block = static_cast<std::size_t>(block_of_row[row]);
    if (block < task.blocks) {
      call.rows[block].push_back(static_cast<std::int32_t>(row));
    } else {
      fits = false;
    }
  }
  if (!fits) throw Napi::RangeError::New(info.Env(), "an id or a block is out of range");
  call.task.met = call.met.data();
}

/// shape (inputs, centroids, blocks), inputIds, ids, blockOfRow, tables, residual
std::shared_ptr<Call> read_call(const Napi::CallbackInfo& info, Arguments& arguments) {
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  auto call = std::make_shared<Call>(Call{path, threads, {}, 0, {}, {}});
  FitTables& task = call->task;
  const auto* shape = arguments.array<std::uint32_t>(3, "shape");
  task.inputs = shape[0];
  task.centroids = shape[1];
  task.blocks = shape[2];
  std::size_t input_ids, ids;
  task.input_ids = arguments.array<std::uint8_t>("inputIds", input_ids);
  task.ids = arguments.array<std::uint8_t>("ids", ids);
  const auto* block_of_row = arguments.array<std::int32_t>("blockOfRow", task.rows);
  task.positions = task.rows == 0 ? 0 : ids / task.rows;
  task.tokens = task.positions == 0 ? 0 : input_ids / task.positions;
  if (task.tokens == 0 || task.positions * task.rows != ids || task.positions * task.tokens != input_ids ||
      task.inputs < 1 || task.inputs > 256 || task.centroids < 1 || task.centroids > 256 || task.blocks < 1 ||
      task.blocks > task.rows) {
    throw Napi::RangeError::New(info.Env(), "no tables have this shape");
  }
  task.tables = arguments.array<float>(task.positions * task.blocks * task.inputs * task.centroids, "tables");
  task.residual = arguments.array<float>(task.rows * task.tokens, "residual");
  look_up(info, block_of_row, *call);
  return call;
}

}  // namespace

/// fitTables(path, threads, shape, inputIds, ids, blockOfRow, tables, residual, sweeps, rule, minimums, steps); the rule is
/// inertia and levels, the last two are empty where entries are free
Napi::Value fit_tables(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const auto call = read_call(info, arguments);
  FitTables& task = call->task;
  call->sweeps = arguments.count("sweeps", 0, 1u << 16);
  const double* rule = arguments.array<double>(2, "rule");
  task.inertia = rule[0];
  task.levels = rule[1];
  std::size_t blocks;
  const float* minimums = arguments.array<float>("minimums", blocks);
  if (blocks != 0 && blocks != task.blocks) throw Napi::RangeError::New(info.Env(), "not every block has a minimum");
  const float* steps = arguments.array<float>(blocks, "steps");
  task.minimums = blocks == 0 ? nullptr : minimums;
  task.steps = blocks == 0 ? nullptr : steps;
  return run_async(info, [call] { fit(*call); });
}

/// subtractTables(path, threads, shape, inputIds, ids, blockOfRow, tables, residual)
Napi::Value subtract_tables(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const auto call = read_call(info, arguments);
  return run_async(info, [call] { subtract(*call); });
}

}  // namespace luthier
