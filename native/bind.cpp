#include "bind.hpp"

#include <memory>
#include <vector>

namespace luthier {
namespace {

class Work : public Napi::AsyncWorker {
 public:
  Work(const Napi::CallbackInfo& info, std::function<void()> work)
      : Napi::AsyncWorker(info.Env()), deferred_(info.Env()), work_(std::move(work)) {
    for (std::size_t i = 0; i < info.Length(); ++i) {
      if (info[i].IsObject()) kept_.push_back(Napi::Persistent(info[i].As<Napi::Object>()));
    }
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { work_(); }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::function<void()> work_;
  std::vector<Napi::ObjectReference> kept_;
};

}  // namespace

Napi::Value run_async(const Napi::CallbackInfo& info, std::function<void()> work, bool brief) {
  if (brief) {
    const auto deferred = Napi::Promise::Deferred::New(info.Env());
    work();
    deferred.Resolve(info.Env().Undefined());
    return deferred.Promise();
  }
  auto* worker = new Work(info, std::move(work));  // deletes itself when done
  worker->Queue();
  return worker->promise();
}

}  // namespace luthier
