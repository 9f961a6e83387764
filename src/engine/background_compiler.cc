#include "engine/background_compiler.h"

#include <signal.h>

#include <system_error>

#include "native/executor.h"

namespace berth::engine {

BackgroundCompiler::~BackgroundCompiler() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  source_->cancel();
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void BackgroundCompiler::add(const std::shared_ptr<const runtime::PreparedModule>& module) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(module);
  wake_.notify_one();
  if (thread_.joinable()) return;
  // Signals are for the threads that run guests.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    waiting_.clear();  // the interpreter it is
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void BackgroundCompiler::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
    if (ends_) return;
    const auto waiting = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    if (const auto prepared = waiting.lock()) {
      if (auto made = source_->make(prepared->module())) native::Executor::attach(*prepared, *made);
    }
    lock.lock();
  }
}

}  // namespace berth::engine
