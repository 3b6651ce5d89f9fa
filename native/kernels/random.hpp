// Streams of whole numbers below 2^32, named by keys. The reference, with the source, is src/kernels/random.ts.

struct RandomStream {
  static constexpr std::uint32_t weyl = 0x9e3779b9u;
  std::uint32_t state = 0;

  static std::uint32_t mixed(std::uint32_t x) {
    x = (x ^ (x >> 16)) * 0x21f0aaadu;
    x = (x ^ (x >> 15)) * 0x735a2d97u;
    return x ^ (x >> 15);
  }

  void key(std::uint32_t value) { state = mixed((state ^ value) + weyl); }

  /// A share of one, below it.
  double share() {
    state += weyl;
    return mixed(state) / 4294967296.0;
  }
};
