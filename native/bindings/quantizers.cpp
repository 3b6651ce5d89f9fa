// The quantizer kernels as seen from JavaScript; shapes and rules in src/kernels.
#include "bind.hpp"
#include "bindings.hpp"
#include "grouped_weights.hpp"

#include <limits>
#include <vector>

namespace luthier {
namespace {

constexpr int hqq_rounds = 20;

}  // namespace

/// roundToNearest(path, threads, weights, group, bits, symmetric, clip, codes, scales, zeroPoints)
Napi::Value round_to_nearest(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const GroupedWeights given(arguments);
  RoundToNearest task{};
  task.group = given.group;
  task.symmetric = false;
  task.bits = static_cast<int>(arguments.count("bits", 1, 8));
  task.symmetric = arguments.flag();
  task.clip = arguments.flag();
  const std::size_t runs = given.runs();
  auto* codes = arguments.array<std::uint8_t>(runs * task.group, "codes");
  auto* scales = arguments.array<float>(runs, "scales");
  auto* zero_points = arguments.array<std::uint8_t>(task.symmetric ? 0 : runs, "zeroPoints");
  if (task.symmetric) zero_points = nullptr;
  return run_async(info, [=] {
    for_runs(runs, given.threads, [&](std::size_t first, std::size_t last) {
      given.path.round_to_nearest(task, given.weights, first, last, codes, scales, zero_points);
    });
  });
}

/// tritPlanes(path, threads, weights, group, planes, codes, scales)
Napi::Value trit_planes(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const GroupedWeights given(arguments);
  const std::size_t group = given.group;
  const int planes = static_cast<int>(arguments.count("planes", 1, 3));
  const std::size_t runs = given.runs();
  auto* codes = arguments.array<std::int8_t>(planes * runs * group, "codes");
  auto* scales = arguments.array<float>(planes * runs, "scales");
  return run_async(info, [=] {
    for_runs(runs, given.threads, [&](std::size_t first, std::size_t last) {
      given.path.trit_planes(given.weights, group, runs, planes, first, last, codes, scales);
    });
  });
}

/// hqq(path, threads, weights, group, bits, inSteps, codes, scales, zeroPoints)
Napi::Value hqq(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const GroupedWeights given(arguments);
  Hqq task{};
  task.group = given.group;
  task.bits = static_cast<int>(arguments.count("bits", 1, 8));
  task.in_steps = arguments.flag();
  const std::size_t runs = given.runs();
  auto* codes = arguments.array<std::uint8_t>(runs * task.group, "codes");
  auto* scales = arguments.array<float>(runs, "scales");
  auto* zeros = arguments.array<float>(runs, "zeroPoints");
  return run_async(info, [=] {
    std::vector<float> inverses(runs);
    std::vector<double> errors(runs);
    for_runs(runs, given.threads, [&](std::size_t first, std::size_t last) {
      given.path.hqq_start(task, given.weights, first, last, inverses.data(), zeros);
    });
    // Rounds end for all runs together, where the error of all has not fallen.
    double least = std::numeric_limits<double>::infinity();
    for (int round = 0; round < hqq_rounds; ++round) {
      for_runs(runs, given.threads, [&](std::size_t first, std::size_t last) {
        given.path.hqq_round(task, given.weights, first, last, inverses.data(), zeros, errors.data());
      });
      double error = 0;
      for (const double each : errors) error += each;
      if (!(error < least)) break;
      least = error;
    }
    for_runs(runs, given.threads, [&](std::size_t first, std::size_t last) {
      given.path.hqq_codes(task, given.weights, first, last, inverses.data(), codes, scales, zeros);
    });
  });
}

/// bcq(path, threads, weights, group, planes, rounds, powers, offset, codes, scales, offsets); offsets is empty without an
/// offset
Napi::Value bcq(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const GroupedWeights given(arguments);
  Bcq task{};
  task.group = given.group;
  task.planes = static_cast<int>(arguments.count("planes", 1, 4));
  task.rounds = static_cast<int>(arguments.count("rounds", 0, 1000));
  task.powers = static_cast<int>(arguments.count("powers", 0, 8));
  const bool offset = arguments.flag();
  const std::size_t runs = given.runs();
  auto* codes = arguments.array<std::int8_t>(task.planes * runs * task.group, "codes");
  auto* scales = arguments.array<float>(task.planes * runs, "scales");
  float* offsets = arguments.array<float>(offset ? runs : 0, "offsets");
  if (!offset) offsets = nullptr;
  return run_async(info, [=] {
    for_runs(runs, given.threads, [&](std::size_t first, std::size_t last) {
      given.path.bcq(task, given.weights, runs, first, last, codes, scales, offsets);
    });
  });
}

}  // namespace luthier
