#include "bindings/bindings.hpp"
#include "paths.hpp"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace luthier {
namespace {

/// The paths that this processor can run, best first.
Napi::Value paths(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const char* name : {"avx512", "avx2", "portable"}) {
    if (find_path(name)) names.Set(names.Length(), name);
  }
  return names;
}

/// Large arrays go back to the system as soon as they are freed. By default glibc raises its threshold with what it
/// sees, and keeps the holes between matrices that live long: a fifth more memory at peak.
void return_large_arrays() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
#endif
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  return_large_arrays();
  exports.Set("paths", Napi::Function::New(env, paths));
  exports.Set("widen", Napi::Function::New(env, widen));
  exports.Set("readMemory", Napi::Function::New(env, read_memory));
  exports.Set("dotProducts", Napi::Function::New(env, dot_products));
  exports.Set("addCovariance", Napi::Function::New(env, add_covariance));
  exports.Set("choleskyFactorize", Napi::Function::New(env, cholesky_factorize));
  exports.Set("choleskyInvert", Napi::Function::New(env, cholesky_invert));
  exports.Set("choleskySolve", Napi::Function::New(env, cholesky_solve));
  exports.Set("fitTables", Napi::Function::New(env, fit_tables));
  exports.Set("subtractTables", Napi::Function::New(env, subtract_tables));
  exports.Set("compensatedCodes", Napi::Function::New(env, compensated_codes));
  exports.Set("compensatedVectors", Napi::Function::New(env, compensated_vectors));
  exports.Set("hadamard", Napi::Function::New(env, hadamard));
  exports.Set("kMeans", Napi::Function::New(env, k_means));
  exports.Set("ownTables", Napi::Function::New(env, own_tables));
  exports.Set("sharedTables", Napi::Function::New(env, shared_tables));
  exports.Set("roundToNearest", Napi::Function::New(env, round_to_nearest));
  exports.Set("planesErrors", Napi::Function::New(env, planes_errors));
  exports.Set("ggmlMultiply", Napi::Function::New(env, ggml_multiply));
  exports.Set("intErrors", Napi::Function::New(env, int_errors));
  exports.Set("nearestCentroids", Napi::Function::New(env, nearest_centroids));
  exports.Set("packTableIds", Napi::Function::New(env, pack_table_ids));
  exports.Set("tableProduct", Napi::Function::New(env, table_product));
  exports.Set("ternary", Napi::Function::New(env, ternary));
  exports.Set("ternaryMultiply", Napi::Function::New(env, ternary_multiply));
  exports.Set("tMacMultiply", Napi::Function::New(env, t_mac_multiply));
  exports.Set("lutGemmMultiply", Napi::Function::New(env, lut_gemm_multiply));
  exports.Set("lutTensorCoreMultiply", Napi::Function::New(env, lut_tensor_core_multiply));
  exports.Set("hqq", Napi::Function::New(env, hqq));
  exports.Set("bcq", Napi::Function::New(env, bcq));
  exports.Set("tritPlanes", Napi::Function::New(env, trit_planes));
  return exports;
}

}  // namespace
}  // namespace luthier

static Napi::Object initialize_addon(Napi::Env env, Napi::Object exports) { return luthier::initialize(env, exports); }

NODE_API_MODULE(luthier, initialize_addon)
