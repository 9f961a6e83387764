#include "engine/background_compiler.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "os/clock.h"

namespace berth::engine {

namespace {

// What ends sooner is not worth a compiler.
constexpr i64 kPatienceNs = 30'000'000;
// When the threads start: early enough for some samples.
constexpr i64 kLateNs = 20'000'000;
// Compiling all of a module, which may take minutes, begins after the first part, so as not to compete with it, or so
// long after kPatienceNs.
constexpr i64 kWholePatienceNs = 1'000'000'000;
// So often the interpreter is looked at: while it is busy, and at most while it is not.
constexpr i64 kBusyNs = 2'000'000, kIdleNs = 500'000'000;
// Samples that make a part worth while.
constexpr u64 kEnoughSamples = 4;
constexpr u32 kMaxFailures = 2;

}  // namespace

void BackgroundCompiler::stop() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  source_->cancel();
  wake_.notify_all();
  if (parts_thread_.joinable()) parts_thread_.join();
  if (whole_thread_.joinable()) whole_thread_.join();
}

// With the lock held. False: the process may not have another thread.
bool BackgroundCompiler::start(std::thread& thread, void (BackgroundCompiler::*body)()) {
  if (thread.joinable()) return true;
  // Signals are for the threads that run guests.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread = std::thread([this, body] { (this->*body)(); });
  } catch (const std::system_error&) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread.joinable();
}

void BackgroundCompiler::add(const std::shared_ptr<const runtime::PreparedModule>& module) {
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    added_.push_back({module, os::saturating_add(os::monotonic_ns(), kPatienceNs)});
    wake_.notify_all();
    if (parts_thread_.joinable()) return;
    is_first = added_.size() == 1;
  }
  module->code().tell_of_samples([this] { begin(); });
  if (is_first) executor_.observe_late(kLateNs, [this] { begin(); });
}

void BackgroundCompiler::begin() {
  {
    const std::lock_guard lock(mutex_);
    if (!ends_) start(parts_thread_, &BackgroundCompiler::run_parts);  // without a thread it is the interpreter
  }
  executor_.observe_late(0, nullptr);
}

void BackgroundCompiler::run_parts() {
  i64 period = kBusyNs;
  std::unique_lock lock(mutex_);
  while (true) {
    auto anything = [this] { return ends_ || !added_.empty(); };
    if (watched_.empty())
      wake_.wait(lock, anything);
    else if (wake_.wait_for(lock, std::chrono::nanoseconds(period), anything))
      period = kBusyNs;
    if (ends_) return;
    const auto added = std::exchange(added_, {});
    lock.unlock();
    for (const auto& [module, ready_ns] : added) take(module, ready_ns);
    const bool is_busy = executor_.observe();
    period = is_busy ? kBusyNs : std::min(2 * period, kIdleNs);
    std::erase_if(watched_, [this](Watched& watched) {
      const auto prepared = watched.module.lock();
      if (prepared != nullptr) look(watched, prepared);
      return prepared == nullptr;
    });
    lock.lock();
  }
}

// Uses what there is, and otherwise watches.
void BackgroundCompiler::take(const Module& module, i64 ready_ns) {
  const auto prepared = module.lock();
  if (prepared == nullptr) return;
  if (const auto artifact = source_->find(prepared->module())) {
    native::Executor::attach(*prepared, artifact);
    say("there was native code for the whole module");
  } else {
    watched_.emplace_back(prepared, ready_ns);
  }
}

void BackgroundCompiler::look(Watched& watched, const std::shared_ptr<const runtime::PreparedModule>& prepared) {
  watched.parts.add(prepared->code().take_samples());
  const i64 now = os::monotonic_ns();
  if (now < watched.ready_ns) return;
  bool tried = false;
  if (watched.parts.pending() >= kEnoughSamples && watched.failures < kMaxFailures) {
    if (const auto part = watched.parts.next()) {
      tried = true;
      say("compiling " + (part->functions.empty() ? "all" : std::to_string(part->functions.size())) +
          " functions, with entries for " + std::to_string(part->loops.size()) + " loops");
      if (auto made = source_->make_part(prepared->module(), *part)) {
        native::Executor::attach(*prepared, *made);
        say("there is native code for them");
      } else {
        ++watched.failures;
        say(made.error().to_string());
      }
    }
  }
  if (tried || now >= os::saturating_add(watched.ready_ns, kWholePatienceNs)) want_whole(watched);
}

void BackgroundCompiler::want_whole(Watched& watched) {
  if (std::exchange(watched.whole_wanted, true)) return;
  const std::lock_guard lock(mutex_);
  if (ends_ || !start(whole_thread_, &BackgroundCompiler::run_whole)) return;
  whole_.push_back(watched.module);
  wake_.notify_all();
}

void BackgroundCompiler::run_whole() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ends_ || !whole_.empty(); });
    if (ends_) return;
    const Module module = std::move(whole_.front());
    whole_.pop_front();
    lock.unlock();
    if (const auto prepared = module.lock()) {
      say("compiling the whole module");
      if (auto made = source_->make(prepared->module())) {
        native::Executor::attach(*prepared, *made);
        say("there is native code for the whole module");
      } else {
        say(made.error().to_string());
      }
    }
    lock.lock();
  }
}

}  // namespace berth::engine
