// One ternary plane for runs of weights; the reference is src/kernels/ternary.ts. Limited by memory, so one path.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace luthier {
namespace {

struct Fit {
  float scale;
  float threshold;  // weights of a greater magnitude become ±1
};

bool ternary_magnitude(const float* w, std::size_t group, Fit& fit) {
  float magnitude = 0;
  for (std::size_t i = 0; i < group; ++i) {
    if (w[i] == 0) continue;
    if (magnitude == 0) magnitude = std::fabs(w[i]);
    if (std::fabs(w[i]) != magnitude) return false;
  }
  fit = {magnitude, 0};
  return true;
}

double mean_magnitude(const float* w, std::size_t group) {
  double sum = 0;
  for (std::size_t i = 0; i < group; ++i) sum += std::fabs(w[i]);
  return sum / static_cast<double>(group);
}

Fit absmean_fit(const float* w, std::size_t group) {
  const float scale = static_cast<float>(std::max(mean_magnitude(w, group), 1e-5));
  return {scale, scale / 2};
}

Fit threshold_fit(const float* w, std::size_t group) {
  const float threshold = static_cast<float>(0.7 * mean_magnitude(w, group));
  double kept = 0;
  double count = 0;
  for (std::size_t i = 0; i < group; ++i) {
    if (std::fabs(w[i]) > threshold) {
      kept += std::fabs(w[i]);
      ++count;
    }
  }
  return {static_cast<float>(kept / count), threshold};
}

Fit exact_fit(const float* w, std::size_t group) {
  std::vector<float> magnitudes(group);
  std::transform(w, w + group, magnitudes.begin(), [](float value) { return std::fabs(value); });
  std::sort(magnitudes.begin(), magnitudes.end(), std::greater<>());
  double sum = 0, best = 0, scale = 0;
  std::size_t kept = 0;
  for (std::size_t k = 1; k <= group; ++k) {
    sum += magnitudes[k - 1];
    const double gain = sum * sum / static_cast<double>(k);
    if (gain > best) {
      best = gain;
      scale = sum / static_cast<double>(k);
      kept = k;
    }
  }
  return {static_cast<float>(scale), kept < group ? magnitudes[kept] : 0};
}

}  // namespace

/// ternary(threads, weights, group, rule, codes, scales)
Napi::Value ternary(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const unsigned threads = arguments.threads();
  std::size_t length;
  const float* weights = arguments.array<float>("weights", length);
  const std::size_t group = arguments.count("group", 1, std::max<std::size_t>(length, 1));
  const std::string rule = arguments.text();
  Fit (*fit)(const float*, std::size_t) = rule == "absmean"     ? absmean_fit
                                          : rule == "twn"       ? threshold_fit
                                          : rule == "twn-exact" ? exact_fit
                                                                : nullptr;
  if (!fit) throw Napi::Error::New(info.Env(), "no ternary rule '" + rule + "'");
  const std::size_t runs = length / group;
  auto* codes = arguments.array<std::int8_t>(runs * group, "codes");
  auto* scales = arguments.array<float>(runs, "scales");
  return run_async(info, [=] {
    parallel_for(runs, threads, [&](std::size_t run) {
      const float* w = weights + run * group;
      Fit fitted;
      if (!ternary_magnitude(w, group, fitted)) fitted = fit(w, group);
      scales[run] = fitted.scale;
      for (std::size_t i = 0; i < group; ++i) {
        codes[run * group + i] = std::fabs(w[i]) > fitted.threshold ? (w[i] > 0 ? 1 : -1) : 0;
      }
    });
  });
}

}  // namespace luthier
