// Native code of the modules in containers: compiled on this node, outside of containers, once for each module, and
// mounted read-only into every container that runs it. Only what this node has compiled is ever there, since native
// code can do anything: the folder is root's (or the user's for whom containers run) and writable to nobody else.
//
//   FOLDER/DIGEST/NAME.berth      the artifact of the module with that SHA-256; NAME stands for the berth that it is
//                                 for, and for the processor. It appears complete
//   FOLDER/DIGEST/NAME.failed     why there is none
//   FOLDER/locks/DIGEST           locked while it is compiled
//
// Any number of processes at once; one thread each.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace berth::container {

struct ModuleCode {
  std::string folder;  // FOLDER/DIGEST, which exists
  std::string file;    // NAME.berth
  bool is_there = false;
};

class CodeFolder {
 public:
  // `folder` as Node has it; `berth` is the executable that modules run under.
  CodeFolder(std::string folder, std::string berth);

  // Where the code of the module that is open as `module` is or will be; nothing when there is none and there will not
  // be, because no compiler is installed or compiling has failed recently. Reads all of the module. Fails with System
  // when the folder cannot be made or read, or is not its owner's alone.
  Result<std::optional<ModuleCode>> find(int module) const;

  // Has a process of its own compile it in the background, with low priority, outside of this process's session and
  // cgroup, unless one does so already. Does not wait. The module is copied, so that nothing of a container stays in
  // use. Fails with System when that process cannot be started.
  Result<> compile_later(const ModuleCode& code, int module) const;

  // The same, waited for; whoever is at it already is waited for too. Fails with CompilerFailed.
  Result<> compile_now(const ModuleCode& code, int module) const;

 private:
  Result<> compile(const ModuleCode& code, int module, bool quietly) const;
  void prune(const std::string& keep) const;

  std::string folder_;
  std::string berth_;
};

}  // namespace berth::container
