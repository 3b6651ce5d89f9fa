#pragma once
#include <cstddef>
#include <cstdint>

/// What the kernels that fit to calibration text are asked to do.
namespace luthier {

/// Second moments of two matrices; see src/kernels/covariance.ts.
struct Covariance {
  std::size_t tokens, height, width;
  const float* left;   // [tokens][height]
  const float* right;  // [tokens][width]
  double* sums;        // [height][width]
};

/// Positions that are fitted between two passes over a residual, and tokens whose sums are float32.
constexpr std::size_t fit_run = 8, fit_chunk = 256;

/// Tables of lookups and what outputs lack with them; see src/kernels/fit-tables.ts.
struct FitTables {
  std::size_t rows, tokens, positions, blocks, inputs, centroids;
  const std::uint8_t* input_ids;  // [P][T]
  const std::uint8_t* ids;        // [P][N]
  float* tables;                  // [P][blocks][inputs][centroids]
  float* residual;                // [N][T]
  const std::uint32_t* met;       // [P][inputs]: tokens of each input id
  double inertia;
  const float* minimums;  // [blocks], as are steps; null while entries are free
  const float* steps;
  double levels;

  float* table(std::size_t position, std::size_t block) const {
    return tables + (position * blocks + block) * inputs * centroids;
  }
  /// Entries of an input id and of a weight id in the kernels' tables: whole registers on every path.
  std::size_t width() const { return (centroids + 15) / 16 * 16; }
  std::size_t height() const { return (inputs + 15) / 16 * 16; }
  std::size_t chunks() const { return (tokens + fit_chunk - 1) / fit_chunk; }
};

/// A block of outputs in a run of positions; where the last run is shorter, ids and changes of those beyond are zeros.
struct FitBlock {
  std::size_t block, rows;
  const std::int32_t* row;   // [rows]: of the residual, rising
  const std::uint8_t* ids;   // [rows][run]
  const std::uint8_t* next;  // the same of the run after it
  float* changes;            // [run][inputs][width]: of the entries of this run
  float* sums;               // [chunks][run][inputs][width]: what is lacking, of the run after it
};

/// C[m, n] −= Σ_k A[k, m] · B[k, n] in float64. Steps are in elements, and negative where k descends.
struct Product {
  const double* a;
  std::ptrdiff_t a_depth, a_row;
  const double* b;
  std::ptrdiff_t b_depth;
  double* c;
  std::size_t c_row;
  std::size_t depth, rows, columns;
};

/// k-means of a set of points; see src/kernels/fit-centroids.ts.
struct CentroidFit {
  std::size_t vector, centroids, rounds, restarts;
  std::uint32_t seed;
};

/// What the kernels take.
inline bool sound(const CentroidFit& fit, std::size_t columns) {
  return fit.vector >= 1 && fit.vector <= 8 && columns % fit.vector == 0 && fit.centroids >= 1 && fit.centroids <= 256 &&
         fit.restarts >= 1;
}

/// Codebooks of inputs; see src/kernels/k-means.ts.
struct KMeans {
  CentroidFit fit;
  std::size_t tokens, columns;
  const float* points;  // [tokens][columns]
  float* codebooks;     // [positions][centroids][vector]
};

/// Columns whose points one task of k-means takes side by side: they share lines of the cache.
constexpr std::size_t k_means_columns = 16;

/// GPTVQ's loop; see src/kernels/compensated-vectors.ts.
struct Compensation {
  CentroidFit fit;
  std::size_t rows, columns, blocks;
  const double* factor;        // U [columns][columns], or null
  const double* squares;       // [positions][vector][vector]
  const std::uint32_t* order;  // rows, block by block
  const std::size_t* starts;   // [blocks + 1], in that order
  double* rest;                // [columns][rows], in that order: weights as they are by now
  double* errors;              // [columns of a batch][rows], in that order
  std::uint8_t* ids;           // [positions][rows]
  float* codebooks;            // [positions][blocks][centroids][vector]
};

/// GPTQ's loop; see src/kernels/compensated-codes.ts. Columns count from the first that is rounded.
struct CompensatedCodes {
  std::size_t rows, columns, levels;
  const double* factor;          // U: its diagonal from that column on, rows [columns] apart
  const float* tables;           // [tables][levels][rows]
  const std::int32_t* table_of;  // a table for each column
  double* rest;                  // [columns][rows]: weights as they are by now
  double* errors;                // [columns of a batch][rows]
  std::uint8_t* codes;           // [columns][rows]
};

}  // namespace luthier
