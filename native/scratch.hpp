#pragma once
#include <cstddef>
#include <memory>
#include <vector>

namespace luthier {

/// Scratch whose lines do not straddle those of the cache.
template <class T>
struct Scratch {
  explicit Scratch(std::size_t count) : memory(count * sizeof(T) + 64) {
    void* first = memory.data();
    std::size_t space = memory.size();
    data = static_cast<T*>(std::align(64, count * sizeof(T), first, space));
  }
  std::vector<std::byte> memory;
  T* data;
};

}  // namespace luthier
