// Compiles modules while the interpreter already runs them. One thread, started when first needed.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/code_source.h"
#include "runtime/store.h"

namespace berth::engine {

class BackgroundCompiler {
 public:
  explicit BackgroundCompiler(std::shared_ptr<CodeSource> source) : source_(std::move(source)) {}
  // Cancels what is under way and waits for that.
  ~BackgroundCompiler();
  BackgroundCompiler(const BackgroundCompiler&) = delete;

  // Has native code made for the module and attached to it, if it still lives then. Failing is silent: the interpreter
  // goes on. Any thread.
  void add(const std::shared_ptr<const runtime::PreparedModule>& module);

 private:
  void run();

  const std::shared_ptr<CodeSource> source_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::weak_ptr<const runtime::PreparedModule>> waiting_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace berth::engine
