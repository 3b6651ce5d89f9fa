#pragma once
#include <napi.h>

// What the addon exports, one function a kernel; addon.cpp registers them.
namespace luthier {

Napi::Value add_covariance(const Napi::CallbackInfo& info);
Napi::Value hqq(const Napi::CallbackInfo& info);
Napi::Value bcq(const Napi::CallbackInfo& info);
Napi::Value cholesky_factorize(const Napi::CallbackInfo& info);
Napi::Value cholesky_invert(const Napi::CallbackInfo& info);
Napi::Value cholesky_solve(const Napi::CallbackInfo& info);
Napi::Value compensated_codes(const Napi::CallbackInfo& info);
Napi::Value compensated_vectors(const Napi::CallbackInfo& info);
Napi::Value hadamard(const Napi::CallbackInfo& info);
Napi::Value k_means(const Napi::CallbackInfo& info);
Napi::Value ternary_multiply(const Napi::CallbackInfo& info);
Napi::Value widen(const Napi::CallbackInfo& info);
Napi::Value dot_products(const Napi::CallbackInfo& info);
Napi::Value read_memory(const Napi::CallbackInfo& info);
Napi::Value ggml_multiply(const Napi::CallbackInfo& info);
Napi::Value fit_tables(const Napi::CallbackInfo& info);
Napi::Value int_errors(const Napi::CallbackInfo& info);
Napi::Value lut_gemm_multiply(const Napi::CallbackInfo& info);
Napi::Value lut_tensor_core_multiply(const Napi::CallbackInfo& info);
Napi::Value nearest_centroids(const Napi::CallbackInfo& info);
Napi::Value own_tables(const Napi::CallbackInfo& info);
Napi::Value pack_table_ids(const Napi::CallbackInfo& info);
Napi::Value planes_errors(const Napi::CallbackInfo& info);
Napi::Value round_to_nearest(const Napi::CallbackInfo& info);
Napi::Value shared_tables(const Napi::CallbackInfo& info);
Napi::Value subtract_tables(const Napi::CallbackInfo& info);
Napi::Value table_product(const Napi::CallbackInfo& info);
Napi::Value ternary(const Napi::CallbackInfo& info);
Napi::Value t_mac_multiply(const Napi::CallbackInfo& info);
Napi::Value trit_planes(const Napi::CallbackInfo& info);

}  // namespace luthier
