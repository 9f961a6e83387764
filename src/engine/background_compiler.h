// Finds or makes native code of modules while the interpreter already runs them: what there is already; else first of
// what it is found running, then all of it. Two threads: one looks where the interpreter is (Store::observe) and has
// small parts compiled, the other has whole modules compiled, which may take minutes. Neither is started before a guest
// has been running for a while, so that short runs cost no more than in the interpreter alone.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "engine/code_source.h"
#include "engine/hot_parts.h"
#include "native/executor.h"
#include "runtime/store.h"

namespace berth::engine {

class BackgroundCompiler {
 public:
  using Note = std::function<void(const std::string&)>;

  // `executor` prepares the modules and outlives this. `note`, if any, is told from either thread what is done and what
  // fails.
  BackgroundCompiler(std::shared_ptr<CodeSource> source, native::Executor& executor, Note note)
      : source_(std::move(source)), executor_(executor), note_(std::move(note)) {}
  ~BackgroundCompiler() { stop(); }
  // Cancels what is under way and waits for that; nothing is begun any more. One thread.
  void stop();
  BackgroundCompiler(const BackgroundCompiler&) = delete;

  // Has native code made for the module and attached to it, as long as it lives. Failing is silent: the interpreter
  // goes on. Any thread.
  void add(const std::shared_ptr<const runtime::PreparedModule>& module);

 private:
  using Module = std::weak_ptr<const runtime::PreparedModule>;
  struct Watched {
    Watched(const std::shared_ptr<const runtime::PreparedModule>& prepared, i64 ready)
        : module(prepared), parts(prepared->module()), ready_ns(ready) {}
    Module module;
    HotParts parts;  // refers to the module, so it is used only while that lives
    i64 ready_ns;    // when to begin compiling
    u32 failures = 0;
    bool whole_wanted = false;
  };

  void begin();
  bool start(std::thread& thread, void (BackgroundCompiler::*body)());
  void run_parts();
  void run_whole();
  void take(const Module& module, i64 ready_ns);
  void look(Watched& watched, const std::shared_ptr<const runtime::PreparedModule>& prepared);
  void want_whole(Watched& watched);
  void say(const std::string& what) const {
    if (note_) note_(what);
  }

  const std::shared_ptr<CodeSource> source_;
  native::Executor& executor_;
  const Note note_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ends_ = false;
  struct Added {
    Module module;
    i64 ready_ns;
  };
  std::vector<Added> added_;
  std::deque<Module> whole_;
  std::list<Watched> watched_;  // of the thread for parts
  std::thread parts_thread_, whole_thread_;
};

}  // namespace berth::engine
