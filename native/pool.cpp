#include "pool.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace luthier {
namespace {

/// How long a thread looks for more work before it sleeps: products of a model follow each other within microseconds,
/// and a thread that slept is often woken on a core that is busy, where it waits for milliseconds.
constexpr std::chrono::milliseconds patience{1};

/// Waits a little for `ready`, without sleeping.
template <class Ready>
void look_for(const Ready& ready) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!ready() && std::chrono::steady_clock::now() < until) {
    for (int i = 0; i < 32 && !ready(); ++i) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  }
}

/// One parallel_for under way. Workers draw indices until none is left.
struct Job {
  std::size_t tasks;
  const std::function<void(std::size_t)>* task;
  std::atomic<std::size_t> next{0};
  std::atomic<unsigned> seats;  // workers that may still join
  std::atomic<unsigned> working{0};  // workers inside, changed under the pool's mutex

  void work() {
    for (std::size_t i; (i = next.fetch_add(1)) < tasks;) (*task)(i);
  }
};

/// Threads that wait for jobs. They are started when first wanted and live as long as the process.
class Pool {
 public:
  void run(std::size_t tasks, unsigned threads, const std::function<void(std::size_t)>& task) {
    auto job = std::make_shared<Job>();
    job->tasks = tasks;
    job->task = &task;
    job->seats = threads - 1;
    {
      std::lock_guard lock(mutex_);
      while (workers_ < threads - 1) {
        std::thread([this] { serve(); }).detach();
        ++workers_;
      }
      jobs_.push_back(job);
      ++posted_;
    }
    wake_.notify_all();
    job->work();
    look_for([&] { return job->working == 0; });
    std::unique_lock lock(mutex_);
    std::erase(jobs_, job);
    done_.wait(lock, [&] { return job->working == 0; });
  }

 private:
  void serve() {
    std::size_t seen = 0;
    for (;;) {
      look_for([&] { return posted_ != seen; });
      std::unique_lock lock(mutex_);
      std::shared_ptr<Job> job;
      wake_.wait(lock, [&] { return (job = open_job()) != nullptr; });
      seen = posted_;
      --job->seats;
      ++job->working;
      lock.unlock();
      job->work();
      lock.lock();
      --job->working;
      done_.notify_all();
    }
  }

  std::shared_ptr<Job> open_job() {
    for (auto& job : jobs_) {
      if (job->seats > 0 && job->next < job->tasks) return job;
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::vector<std::shared_ptr<Job>> jobs_;
  std::atomic<std::size_t> posted_{0};  // jobs so far
  unsigned workers_ = 0;
};

}  // namespace

void parallel_for(std::size_t tasks, unsigned threads, const std::function<void(std::size_t)>& task) {
  if (threads <= 1 || tasks <= 1) {
    for (std::size_t i = 0; i < tasks; ++i) task(i);
    return;
  }
  static Pool& pool = *new Pool;  // never destroyed: detached workers may outlive static destructors
  pool.run(tasks, threads, task);
}

}  // namespace luthier
