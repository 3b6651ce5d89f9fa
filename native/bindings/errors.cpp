// How far quantized weights are from the weights; the reference is src/schemes/relative-error.ts.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

namespace luthier {
namespace {

struct Shape {
  std::size_t rows, columns, group, scale_rows;
  std::size_t scales() const { return scale_rows * (columns / group); }
};

Shape shape_of(Arguments& arguments, Napi::Env env) {
  const std::uint32_t* numbers = arguments.array<std::uint32_t>(4, "shape");
  const Shape shape{numbers[0], numbers[1], numbers[2], numbers[3]};
  const bool sound = shape.rows > 0 && shape.group > 0 && shape.columns % shape.group == 0 &&
                     (shape.scale_rows == 1 || shape.scale_rows == shape.rows);
  if (!sound) throw Napi::RangeError::New(env, "shape is no grid of scales");
  return shape;
}

/// Σ(ŵ − w)² and Σw² of each row; `value(i, scale)` is ŵ in float64, rounded here to the float32 that it stands for.
template <class Value>
void row_errors(const Shape& shape, unsigned threads, const float* weights, double* out, const Value& value) {
  const std::size_t groups = shape.columns / shape.group;
  parallel_for(shape.rows, threads, [&](std::size_t row) {
    double error = 0, norm = 0;
    for (std::size_t column = 0; column < shape.columns; ++column) {
      const std::size_t i = row * shape.columns + column;
      const std::size_t scale = (shape.scale_rows == 1 ? 0 : row * groups) + column / shape.group;
      const double difference = static_cast<double>(static_cast<float>(value(i, scale))) - weights[i];
      error += difference * difference;
      norm += static_cast<double>(weights[i]) * weights[i];
    }
    out[2 * row] = error;
    out[2 * row + 1] = norm;
  });
}

}  // namespace

/// planesErrors(threads, shape, weights, codes, scales, offsets, out); offsets may be empty
Napi::Value planes_errors(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const unsigned threads = arguments.threads();
  const Shape shape = shape_of(arguments, info.Env());
  const std::size_t size = shape.rows * shape.columns;
  const float* weights = arguments.array<float>(size, "weights");
  std::size_t length;
  const auto* codes = arguments.array<std::int8_t>("codes", length);
  const std::size_t planes = length / size;
  if (planes * size != length) throw Napi::RangeError::New(info.Env(), "codes hold no whole planes");
  const std::size_t per_plane = shape.scales();
  const float* scales = arguments.array<float>(planes * per_plane, "scales");
  std::size_t offset_count;
  const float* offsets = arguments.array<float>("offsets", offset_count);
  if (offset_count != 0 && offset_count != per_plane) {
    throw Napi::RangeError::New(info.Env(), "offsets are not one a scale");
  }
  double* out = arguments.array<double>(2 * shape.rows, "out");
  return run_async(info, [=] {
    row_errors(shape, threads, weights, out, [&](std::size_t i, std::size_t scale) {
      double sum = 0;
      for (std::size_t plane = 0; plane < planes; ++plane) {
        sum += static_cast<double>(scales[plane * per_plane + scale]) * codes[plane * size + i];
      }
      return offset_count == 0 ? sum : sum + static_cast<double>(offsets[scale]);
    });
  });
}

/// intErrors(threads, shape, weights, codes, scales, zeroPoints, out)
Napi::Value int_errors(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const unsigned threads = arguments.threads();
  const Shape shape = shape_of(arguments, info.Env());
  const std::size_t size = shape.rows * shape.columns;
  const float* weights = arguments.array<float>(size, "weights");
  const auto* codes = arguments.array<std::uint8_t>(size, "codes");
  const float* scales = arguments.array<float>(shape.scales(), "scales");
  const float* zeros = arguments.array<float>(shape.scales(), "zeroPoints");
  double* out = arguments.array<double>(2 * shape.rows, "out");
  return run_async(info, [=] {
    row_errors(shape, threads, weights, out, [&](std::size_t i, std::size_t scale) {
      return static_cast<double>(scales[scale]) * (static_cast<double>(codes[i]) - static_cast<double>(zeros[scale]));
    });
  });
}

}  // namespace luthier
