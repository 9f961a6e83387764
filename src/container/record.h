// What berth-oci keeps about a container whose configuration it has rewritten: a folder ROOT/berth/ID with the
// configuration that the runtime below was given (config.json, so that the folder is a bundle) and record.json. The
// runtime's own state is in ROOT/NAME/ID, NAME being crun or runc.
//
// Whoever makes or deletes the container holds the folder's lock. It ends with the process, even if that is killed; but
// the runtime that it has started goes on then, and the next one to take the lock waits for that as well, so that
// nobody ever meets half a container.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "container/fd.h"
#include "container/rewrite.h"

namespace berth::container {

struct Record {
  std::string bundle;    // the caller's
  std::string runtime;   // absolute path
  std::string pid_file;  // where the process number of the container's first process is; may have gone
  std::string cgroup;    // as the configuration has it; empty when the runtime chose
  bool is_wasm = false;  // or else just rewritten for an old runtime
  Launcher launcher;     // if so
};

// What the runtime specification leaves open: letters, digits and _ + - . only, and no name of another folder.
bool is_container_id(std::string_view id);

class ContainerFolder {
 public:
  // Makes the folder, and locks it. Fails with Usage when there is one already, unless nobody works on that and there
  // is no container of that name, at `below`, either.
  static Result<ContainerFolder> create(const std::string& root, const std::string& id, const std::string& below);
  // Locks the folder, which another process may hold for as long as it takes to make or delete a container; waits for
  // up to `patience`. Nothing when there is no folder. Fails with Limit when it stays locked.
  static Result<std::optional<ContainerFolder>> lock(const std::string& root, const std::string& id,
                                                     std::chrono::milliseconds patience);
  // The record without a lock; nothing when there is none, or none that can be read.
  static std::optional<Record> read(const std::string& root, const std::string& id);
  static std::string path_of(const std::string& root, const std::string& id);

  // Has the runtime below do something to the container, as run_process does.
  Result<int> run(const std::vector<std::string>& command) const;
  // Ends the lock, and has the folder removed once this process, which may become another program meanwhile, has ended
  // and there is nothing at `below`, where the runtime keeps the container's state. Until then and a moment longer the
  // folder is there; `create` takes one that was left so for what it is. Fails with System.
  Result<> remove_after_us(const std::string& below);

  Result<> write(const Record& record, const json::Value& config) const;
  const std::string& path() const { return path_; }
  // Removes the folder and all in it.
  void remove() const;

 private:
  ContainerFolder(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  Fd lock_;
};

}  // namespace berth::container
