// WASI 0.2 for one instance: what it is granted, and the interfaces it imports, in all versions from 0.2.0 to 0.2.12.
// https://github.com/WebAssembly/WASI/tree/v0.2.12
//
// Nothing is granted that the configuration does not name, apart from the standard streams, clocks and randomness.
// Capabilities are hostio's.
//
// Choices where the specification leaves room:
//  - Paths that lead out of their grant fail with not-permitted; whatever would change a read-only grant with
//  read-only.
//  - A file descriptor used for what it was not opened for fails with bad-descriptor, its size and times with
//    not-permitted.
//  - What is written to pipes, terminals and sockets and cannot go out at once is kept, and check-write gives 0 until
//  it
//    has. Nothing written to the standard streams is lost at the end (Context::finish).
//  - A name that may be looked up may be reached at the addresses that it turned out to have. Who may reach anything
//  may
//    bind ports that the system chooses, without listening there.
//  - A resource may be dropped before its children (the pollables and streams made from it), which keep working.
//  - Names of files that are not UTF-8 cannot be passed: reading them fails with illegal-byte-sequence.
//
// A context and its functions are used by one thread at a time; only `interrupt` may be called from any.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "component/store.h"
#include "hostio/grants.h"
#include "hostio/network.h"
#include "hostio/wait.h"

namespace berth::wasi_p2 {

struct Config {
  std::vector<std::string> args;         // the program's name first
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<hostio::DirectoryGrant> directories;
  hostio::NetworkGrants network;
  hostio::StandardStream input, output, error_output;
  // How often a waiting guest looks whether its store was interrupted. Zero for those who call
  // Context::interrupt, too: then a waiting guest costs nothing at all.
  std::chrono::nanoseconds interrupt_slice = std::chrono::milliseconds(50);
  // Waits instead, and knows when the guest is to stop: for those who run many guests in one thread. Outlives the
  // context. Null: the thread is blocked meanwhile.
  hostio::Waiter* waiter = nullptr;
};

struct State;

class Context {
 public:
  // Opens the grants. Makes the process ignore SIGPIPE and SIGXFSZ. Fails with Usage (an argument that is not UTF-8,
  // …) or Io.
  static Result<std::unique_ptr<Context>> create(Config config);
  ~Context();
  Context(const Context&) = delete;

  // Another with the same grants, in microseconds, for another instance in the same thread. They share the standard
  // streams.
  std::unique_ptr<Context> copy(hostio::Waiter* waiter) const;

  // From any thread: whatever the guest waits for, now or later, traps with Interrupted. Not where a waiter was given.
  void interrupt();
  // Once the guest has ended: writes what is left of its output, waiting for whoever reads it.
  void finish();
  // The functions of the interfaces that are called in `store` work on this context from now on; it outlives the store
  // or the next attach.
  void attach(component::Store& store, runtime::Store& core_store);

  State& state() { return *state_; }

 private:
  explicit Context(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Offers the interfaces that `component` imports, for whichever context is attached to the store when they are called.
void define_interfaces(component::Linker& linker, const component::cm::Component& component);

// Both at once, for a store with one context. The context must outlive the store, which becomes the context's.
void add_to_linker(component::Linker& linker, component::Store& store, runtime::Store& core_store, Context& context,
                   const component::cm::Component& component);

// The name under which a component exports wasi:cli/run, in a version that can be run; empty when it does not.
std::string find_command(const component::cm::Component& component);

}  // namespace berth::wasi_p2
