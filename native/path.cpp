// Compiled once for each instruction set (native/build.mjs), each time into its own namespace.
#include "paths.hpp"

#include <cstdlib>

#define LUTHIER_JOIN_(a, b) a##b
#define LUTHIER_JOIN(a, b) LUTHIER_JOIN_(a, b)
#define LUTHIER_TABLE LUTHIER_JOIN(path_, LUTHIER_PATH)
#define LUTHIER_TEXT_(a) #a
#define LUTHIER_TEXT(a) LUTHIER_TEXT_(a)

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace luthier::LUTHIER_PATH {
#include "kernels/lanes.hpp"
#include "kernels/bcq.hpp"
#include "kernels/centroid_search.hpp"
#include "kernels/ternary_sums.hpp"
#include "kernels/ternary_multiply.hpp"
#include "kernels/covariance.hpp"
#include "kernels/subtract_product.hpp"
#include "kernels/cholesky.hpp"
#include "kernels/fit_tables_visit.hpp"
#include "kernels/fit_tables.hpp"
#include "kernels/random.hpp"
#include "kernels/fit_centroids.hpp"
#include "kernels/k_means.hpp"
#include "kernels/compensated_codes.hpp"
#include "kernels/hadamard.hpp"
#include "kernels/compensated_vectors.hpp"
#include "kernels/limits.hpp"
#include "kernels/ggml.hpp"
#include "kernels/lut_gemm.hpp"
#include "kernels/round_to_nearest.hpp"
#include "kernels/shared_tables.hpp"
#include "kernels/own_tables.hpp"
#include "kernels/hqq.hpp"
#include "kernels/t_mac.hpp"
#include "kernels/table_product.hpp"
#include "kernels/lut_tensor_core.hpp"
#include "kernels/trit_planes.hpp"
}  // namespace luthier::LUTHIER_PATH

namespace luthier {
const Path LUTHIER_TABLE = {
    LUTHIER_TEXT(LUTHIER_PATH),
    LUTHIER_PATH::round_to_nearest,
    LUTHIER_PATH::trit_planes,
    LUTHIER_PATH::bcq,
    LUTHIER_PATH::hqq_start,
    LUTHIER_PATH::hqq_round,
    LUTHIER_PATH::hqq_codes,
    LUTHIER_PATH::shared_tables,
    LUTHIER_PATH::own_tables,
    LUTHIER_PATH::t_mac_tables,
    LUTHIER_PATH::t_mac_multiply,
    LUTHIER_PATH::lut_tensor_core_tables,
    LUTHIER_PATH::lut_tensor_core_multiply,
    LUTHIER_PATH::lut_gemm_tables,
    LUTHIER_PATH::lut_gemm_multiply,
    LUTHIER_PATH::ternary_quantize,
    LUTHIER_PATH::ternary_multiply,
    LUTHIER_PATH::read_memory,
    LUTHIER_PATH::dot_products,
    LUTHIER_PATH::dot_products_a_round,
    LUTHIER_PATH::ggml_round,
    LUTHIER_PATH::ggml_multiply,
    LUTHIER_PATH::nearest_centroids,
    LUTHIER_PATH::table_product,
    LUTHIER_PATH::add_covariance,
    LUTHIER_PATH::cholesky_diagonal,
    LUTHIER_PATH::cholesky_forward,
    LUTHIER_PATH::cholesky_backward,
    LUTHIER_PATH::fit_tables_visit,
    LUTHIER_PATH::fit_tables_run,
    LUTHIER_PATH::subtract_product,
    LUTHIER_PATH::k_means,
    LUTHIER_PATH::compensate_batch,
    LUTHIER_PATH::compensated_codes,
    LUTHIER_PATH::hadamard,
};
}  // namespace luthier
