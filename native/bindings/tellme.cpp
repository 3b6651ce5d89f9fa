// TeLLMe's products as seen from JavaScript; src/targets/tellme has the layout and the reference.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>
#include <vector>

namespace luthier {
namespace {

struct Shape {
  std::size_t rows, columns;
  bool least_first;

  std::size_t words_along() const { return (columns + 83) / 84; }
  std::size_t stride() const { return (words_along() * 84 + 63) / 64 * 64; }
};

void multiply(const Path& path, unsigned threads, const Shape& shape, const std::vector<std::uint8_t*>& planes,
              const float* scales, const float* input, std::size_t tokens, float* out) {
  const std::size_t stride = shape.stride();
  std::vector<std::int8_t> codes(tokens * stride);
  std::vector<float> token_scales(tokens);
  std::vector<std::int32_t> sums(tokens);
  parallel_for(tokens, threads, [&](std::size_t token) {
    token_scales[token] = path.tellme_quantize(input + token * shape.columns, shape.columns, stride,
                                               codes.data() + token * stride, &sums[token]);
  });
  const TellmeTokens inputs{stride, codes.data(), token_scales.data(), sums.data()};
  const std::size_t rows_per_task = std::clamp<std::size_t>(shape.rows / (4 * threads) / 4 * 4, 4, 64);
  parallel_for((shape.rows + rows_per_task - 1) / rows_per_task, threads, [&](std::size_t task) {
    const std::size_t first = task * rows_per_task;
    const std::size_t last = std::min(shape.rows, first + rows_per_task);
    for (std::size_t i = 0; i < planes.size(); ++i) {
      const TellmePlane plane{shape.rows, shape.words_along(), shape.least_first, planes[i], scales[i]};
      path.tellme_multiply(plane, inputs, tokens, first, last, i > 0, out);
    }
  });
}

}  // namespace

/// tellmeMultiply(path, threads, rows, columns, leastFirst, planes[], scales, input, out)
Napi::Value tellme_multiply(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Path& path = arguments.path();
  const unsigned threads = arguments.threads();
  Shape shape{};
  shape.rows = arguments.count("rows", 1, 1u << 30);
  shape.columns = arguments.count("columns", 1, 1u << 22);  // 2^22 · 2 · 128 fits INT32
  shape.least_first = arguments.flag();
  const auto planes = arguments.arrays<std::uint8_t>(shape.words_along() * shape.rows * 18, "planes");
  const float* scales = arguments.array<float>(planes.size(), "scales");
  std::size_t length;
  const float* input = arguments.array<float>("input", length);
  if (length % shape.columns != 0) throw Napi::RangeError::New(info.Env(), "input holds no whole tokens");
  const std::size_t tokens = length / shape.columns;
  float* out = arguments.array<float>(tokens * shape.rows, "out");
  return run_async(info, [=, &path] { multiply(path, threads, shape, planes, scales, input, tokens, out); });
}

}  // namespace luthier
