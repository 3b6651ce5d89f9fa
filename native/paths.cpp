#include "paths.hpp"

namespace luthier {

const Path* find_path(const std::string& name) {
  if (name == "portable") return &path_portable;
#ifdef LUTHIER_X64
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
  if (name == "avx2" && avx2) return &path_avx2;
  if (name == "avx512" && avx512) return &path_avx512;
#endif
  return nullptr;
}

}  // namespace luthier
