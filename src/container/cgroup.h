// What a container leaves behind when the runtime was killed before it wrote down what it had made.
#pragma once

#include <string>
#include <string_view>

namespace berth::container {

// Where the cgroup of a configuration's cgroupsPath is, below each hierarchy: the path itself, or of what is said to
// systemd, "SLICE:PREFIX:NAME", the folder of that scope; nothing of what is neither.
std::string cgroup_folder(std::string_view path);

// Ends what runs in the cgroup of a container and removes the cgroup, in every hierarchy. `path` is cgroupsPath of the
// configuration. Does nothing unless the path's last part holds the container's id: then nobody else's processes are
// in it. A scope of systemd's is stopped by systemctl as well. Returns false when something is left.
bool remove_cgroup(const std::string& path, const std::string& id);

// Moves this process to the root of every hierarchy where that is allowed, so that nobody's limits count for it and
// no cgroup waits for its end. It stays where it is elsewhere.
void leave_cgroup();

}  // namespace berth::container
