#pragma once
#include <cstddef>
#include <functional>

namespace luthier {

/// Calls task(i) for every i in [0, tasks) on up to `threads` threads, the caller's included, and returns when all are
/// done. Tasks must not depend on one another: results are then the same for any number of threads.
void parallel_for(std::size_t tasks, unsigned threads, const std::function<void(std::size_t)>& task);

}  // namespace luthier
