// Independent runs of weights side by side, one a lane, as many as a register of this path holds. Work inside a lane goes
// in the order of the TypeScript reference, so a lane rounds exactly as the reference does, whatever the width.

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX2__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif

typedef float F32 __attribute__((vector_size(4 * lanes)));
typedef std::int32_t I32 __attribute__((vector_size(4 * lanes)));
typedef float F32Half __attribute__((vector_size(2 * lanes)));
typedef double F64Half __attribute__((vector_size(4 * lanes)));

static inline F32 splat(float value) { return F32{} + value; }
static inline I32 splat_int(std::int32_t value) { return I32{} + value; }

static inline F32 absolute(F32 x) { return (F32)((I32)x & splat_int(0x7fffffff)); }

/// Half to even for |x| < 2^22: the addition itself rounds.
static inline F32 round_half_to_even(F32 x) {
  const F32 magic = splat(12582912.0f);  // 1.5 · 2^23
  return (x + magic) - magic;
}

/// A float64 sum in every lane.
struct Sum {
  F64Half low{}, high{};

  void add(F32 x) {
    F32Half half[2];
    __builtin_memcpy(half, &x, sizeof x);
    low += __builtin_convertvector(half[0], F64Half);
    high += __builtin_convertvector(half[1], F64Half);
  }

  double operator[](int lane) const { return lane < lanes / 2 ? low[lane] : high[lane - lanes / 2]; }
};

/// The nearest float16 value, half to even.
static inline float to_float16_value(float value) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  float out;
  if (magnitude >= 0x477ff000u) {
    bits = (bits & 0x80000000u) | 0x7f800000u;
    __builtin_memcpy(&out, &bits, 4);
    return out;
  }
  if (magnitude < 0x38800000u) {
    // Adding 0.5 leaves float32 steps of 2^-24, the float16 subnormals.
    float shifted = __builtin_fabsf(value) + 0.5f;
    out = shifted - 0.5f;
    return value < 0 ? -out : out;
  }
  const std::uint32_t rounded = (magnitude + 0xfffu + ((magnitude >> 13) & 1u)) & ~0x1fffu;
  bits = (bits & 0x80000000u) | rounded;
  __builtin_memcpy(&out, &bits, 4);
  return out;
}

/// Copies up to `lanes` runs side by side, `[group][lanes]`; missing runs repeat the last.
static inline void gather_runs(const float* weights, std::size_t group, std::size_t first, std::size_t count, float* out) {
  for (int lane = 0; lane < lanes; ++lane) {
    const std::size_t run = first + ((std::size_t)lane < count ? (std::size_t)lane : count - 1);
    const float* source = weights + run * group;
    for (std::size_t i = 0; i < group; ++i) out[i * lanes + lane] = source[i];
  }
}

/// Scratch memory for one call, aligned to a vector.
static inline void* allocate(std::size_t bytes) { return std::aligned_alloc(64, (bytes + 63) & ~(std::size_t)63); }
static inline void release(void* memory) { std::free(memory); }
