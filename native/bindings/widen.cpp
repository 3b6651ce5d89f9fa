// 16- and 8-bit floats to float32; the reference is src/tensor/float.ts.
#include "bind.hpp"
#include "bindings.hpp"
#include "pool.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace luthier {
namespace {

float float16_value(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1f;
  const std::uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  if (exponent == 31) {
    return mantissa ? std::numeric_limits<float>::quiet_NaN() : std::bit_cast<float>(sign | 0x7f800000u);
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

float e4m3_value(std::uint8_t bits) {
  const float sign = bits & 0x80 ? -1.0f : 1.0f;
  const int exponent = (bits >> 3) & 0xf;
  const int mantissa = bits & 7;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) return sign * static_cast<float>(mantissa) * 0x1p-9f;
  return std::bit_cast<float>((sign < 0 ? 0x80000000u : 0u) | (static_cast<std::uint32_t>(exponent + 120) << 23) |
                              (static_cast<std::uint32_t>(mantissa) << 20));
}

struct Format {
  const char* name;
  std::size_t bytes;
  void (*widen)(const std::uint8_t* in, float* out, std::size_t count);
};

template <class Bits, float (*value)(Bits)>
void widen_each(const std::uint8_t* in, float* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, in + i * sizeof(Bits), sizeof(Bits));
    out[i] = value(bits);
  }
}

float bfloat16_value(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
float e5m2_value(std::uint8_t bits) { return float16_value(static_cast<std::uint16_t>(bits << 8)); }

constexpr Format formats[] = {
    {"F32", 4, [](const std::uint8_t* in, float* out, std::size_t count) { std::memcpy(out, in, count * 4); }},
    {"F16", 2, widen_each<std::uint16_t, float16_value>},
    {"BF16", 2, widen_each<std::uint16_t, bfloat16_value>},
    {"F8_E4M3", 1, widen_each<std::uint8_t, e4m3_value>},
    {"F8_E5M2", 1, widen_each<std::uint8_t, e5m2_value>},
};

constexpr std::size_t values_per_task = 1 << 18;

}  // namespace

/// widen(threads, dtype, bytes, out)
Napi::Value widen(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const unsigned threads = arguments.threads();
  const std::string name = arguments.text();
  const auto* format =
      std::find_if(std::begin(formats), std::end(formats), [&](const Format& each) { return name == each.name; });
  if (format == std::end(formats)) throw Napi::TypeError::New(info.Env(), "no float dtype '" + name + "'");
  std::size_t length;
  const auto* bytes = arguments.array<std::uint8_t>("bytes", length);
  const std::size_t count = length / format->bytes;
  if (count * format->bytes != length) throw Napi::RangeError::New(info.Env(), "bytes hold no whole number of values");
  auto* out = arguments.array<float>(count, "out");
  return run_async(info, [=] {
    parallel_for((count + values_per_task - 1) / values_per_task, threads, [&](std::size_t task) {
      const std::size_t first = task * values_per_task;
      format->widen(bytes + first * format->bytes, out + first, std::min(values_per_task, count - first));
    });
  });
}

}  // namespace luthier
