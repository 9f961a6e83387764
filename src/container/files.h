// The files of a container, looked at from outside of it. The kernel resolves every path as the container would see
// it and never beyond: a symbolic link in an image leads to the image's own files. Immutable; any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "container/fd.h"
#include "json/json.h"

namespace berth::container {

// An absolute path without ".", ".." and repeated slashes, as written: links are not followed. `path` is taken from
// `base` when it is relative.
std::string absolute_path(std::string_view base, std::string_view path);

class ContainerFiles {
 public:
  // Those that a container of this configuration (config.json of the runtime specification, paths in it relative to
  // `bundle`) will have: its root filesystem and what is bind-mounted over it. What a mount holds that does not exist
  // yet, such as a tmpfs, is not there. Fails with Io when the root filesystem cannot be opened.
  static Result<ContainerFiles> planned(const json::Value& config, const std::string& bundle);
  // Those that a running process has.
  static Result<ContainerFiles> of_process(pid_t pid);

  // Opens the regular file at an absolute path for reading. Nothing else is ever opened, so no FIFO waits and no
  // device acts. An empty Fd, errno set, when there is none.
  Fd open_regular(const std::string& path) const;

 private:
  struct Mount {
    std::string destination;
    std::string source;  // a path of the host; empty where nothing can be said
  };

  Fd root_;
  std::vector<Mount> mounts_;  // as they are made: later ones cover earlier ones
};

}  // namespace berth::container
