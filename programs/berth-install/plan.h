// What an installation changes on a machine, how that is done, and how it is taken back. Everything is written down
// before anything is changed, in ROOT/var/lib/berth/install/TARGET.json, so that it can be undone exactly, also after a
// crash. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace berth::install {

// The machine whose files are changed: "" is this one, else a folder that holds its file system.
struct Machine {
  std::string root;
  std::string records = "/var/lib/berth/install";

  std::string at(const std::string& path) const { return root + path; }
  // A file's contents; nothing when there is no such file. Fails with System.
  Result<std::optional<std::string>> read(const std::string& path) const;
  bool has(const std::string& path) const;
};

struct Change {
  std::string path;  // on the machine
  std::string after;
  std::optional<std::string> before = std::nullopt;  // nothing: there was no such file
  u32 mode = 0644;
  bool is_program = false;  // not shown
};

struct Plan {
  std::string target;
  std::vector<Change> changes;
  std::string runtime;             // path of berth-oci
  std::vector<std::string> notes;  // what is left for people to do
};

// What a file would be without what was installed, when it has changed since; nothing when that cannot be told.
using TakeOut = std::function<std::optional<std::string>(const std::string& contents)>;

// What would change, for people: each file with the lines that go and come.
std::string describe(const Machine& machine, const Plan& plan);

// Whether the target was installed and not uninstalled since.
bool is_recorded(const Machine& machine, const std::string& target);

// Makes the changes, all or none. Fails with System, having undone what was done.
Result<> apply(const Machine& machine, const Plan& plan);

// A plan that takes an installation back: files that are as they were left become what they were before, byte by byte;
// of those that have changed since, only what was installed is taken out. Fails with BadArgument when the target is
// not recorded, and with NotSupported, naming the file, when one has changed in a way that leaves no telling.
struct Undo {
  struct File {
    std::string path;
    std::optional<std::string> after;  // nothing: it goes
    std::optional<std::string> now;
    u32 mode;
    bool is_program;
    std::string kept;  // file that has `after`
  };
  // Programs that another target needs too: they stay, and its record has them from then on.
  std::vector<File> handed_on;
  std::string heir;
  std::vector<File> files;
  std::vector<std::string> folders;  // that were made, the innermost first; removed when they are empty
};
Result<Undo> plan_undo(const Machine& machine, const std::string& target, const TakeOut& take_out);
std::string describe(const Machine& machine, const Undo& undo);
Result<> undo(const Machine& machine, const std::string& target, const Undo& undo);

}  // namespace berth::install
