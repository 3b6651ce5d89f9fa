// The quantizer kernels as seen from JavaScript; shapes and rules in src/kernels.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace luthier {
namespace {

/// Runs a task of a thread takes: enough work to be worth a wake-up, a multiple of the lanes of every path.
constexpr std::size_t runs_per_task = 256;

constexpr int hqq_rounds = 20;

void for_runs(std::size_t runs, unsigned threads, const std::function<void(std::size_t, std::size_t)>& work) {
  parallel_for((runs + runs_per_task - 1) / runs_per_task, threads, [&](std::size_t task) {
    work(task * runs_per_task, std::min(runs, (task + 1) * runs_per_task));
  });
}

}  // namespace

/// roundToNearest(path, threads, weights, group, bits, symmetric, clip, codes, scales, zeroPoints)
Napi::Value round_to_nearest(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  std::size_t length;
  const float* weights = arguments.array<float>("weights", length);
  RoundToNearest task{};
  task.group = arguments.count("group", 1, std::max<std::size_t>(length, 1));
  task.symmetric = false;
  task.bits = static_cast<int>(arguments.count("bits", 1, 8));
  task.symmetric = arguments.flag();
  task.clip = arguments.flag();
  const std::size_t runs = length / task.group;
  auto* codes = arguments.array<std::uint8_t>(runs * task.group, "codes");
  auto* scales = arguments.array<float>(runs, "scales");
  auto* zero_points = arguments.array<std::uint8_t>(task.symmetric ? 0 : runs, "zeroPoints");
  if (task.symmetric) zero_points = nullptr;
  return run_async(info, [=, &path] {
    for_runs(runs, threads, [&](std::size_t first, std::size_t last) {
      path.round_to_nearest(task, weights, first, last, codes, scales, zero_points);
    });
  });
}

/// tritPlanes(path, threads, weights, group, planes, codes, scales)
Napi::Value trit_planes(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  std::size_t length;
  const float* weights = arguments.array<float>("weights", length);
  const std::size_t group = arguments.count("group", 1, std::max<std::size_t>(length, 1));
  const int planes = static_cast<int>(arguments.count("planes", 1, 3));
  const std::size_t runs = length / group;
  auto* codes = arguments.array<std::int8_t>(planes * runs * group, "codes");
  auto* scales = arguments.array<float>(planes * runs, "scales");
  return run_async(info, [=, &path] {
    for_runs(runs, threads, [&](std::size_t first, std::size_t last) {
      path.trit_planes(weights, group, runs, planes, first, last, codes, scales);
    });
  });
}

/// hqq(path, threads, weights, group, bits, inSteps, codes, scales, zeroPoints)
Napi::Value hqq(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  std::size_t length;
  const float* weights = arguments.array<float>("weights", length);
  Hqq task{};
  task.group = arguments.count("group", 1, std::max<std::size_t>(length, 1));
  task.bits = static_cast<int>(arguments.count("bits", 1, 8));
  task.in_steps = arguments.flag();
  const std::size_t runs = length / task.group;
  auto* codes = arguments.array<std::uint8_t>(runs * task.group, "codes");
  auto* scales = arguments.array<float>(runs, "scales");
  auto* zeros = arguments.array<float>(runs, "zeroPoints");
  return run_async(info, [=, &path] {
    std::vector<float> inverses(runs);
    std::vector<double> errors(runs);
    for_runs(runs, threads, [&](std::size_t first, std::size_t last) {
      path.hqq_start(task, weights, first, last, inverses.data(), zeros);
    });
    // Rounds end for all runs together, where the error of all has not fallen.
    double least = std::numeric_limits<double>::infinity();
    for (int round = 0; round < hqq_rounds; ++round) {
      for_runs(runs, threads, [&](std::size_t first, std::size_t last) {
        path.hqq_round(task, weights, first, last, inverses.data(), zeros, errors.data());
      });
      double error = 0;
      for (const double each : errors) error += each;
      if (!(error < least)) break;
      least = error;
    }
    for_runs(runs, threads, [&](std::size_t first, std::size_t last) {
      path.hqq_codes(task, weights, first, last, inverses.data(), codes, scales, zeros);
    });
  });
}

/// bcq(path, threads, weights, group, planes, rounds, powers, offset, codes, scales, offsets); offsets is empty without an
/// offset
Napi::Value bcq(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  std::size_t length;
  const float* weights = arguments.array<float>("weights", length);
  Bcq task{};
  task.group = arguments.count("group", 1, std::max<std::size_t>(length, 1));
  task.planes = static_cast<int>(arguments.count("planes", 1, 4));
  task.rounds = static_cast<int>(arguments.count("rounds", 0, 1000));
  task.powers = static_cast<int>(arguments.count("powers", 0, 8));
  const bool offset = arguments.flag();
  const std::size_t runs = length / task.group;
  auto* codes = arguments.array<std::int8_t>(task.planes * runs * task.group, "codes");
  auto* scales = arguments.array<float>(task.planes * runs, "scales");
  float* offsets = arguments.array<float>(offset ? runs : 0, "offsets");
  if (!offset) offsets = nullptr;
  return run_async(info, [=, &path] {
    for_runs(runs, threads, [&](std::size_t first, std::size_t last) {
      path.bcq(task, weights, runs, first, last, codes, scales, offsets);
    });
  });
}

}  // namespace luthier
