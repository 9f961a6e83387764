// Where applications that are played keep what they need while they run: a folder for each, in memory where the machine
// has one. Any process.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "container/fd.h"
#include "json/json.h"

namespace berth::play {

// $BERTH_PLAY_DIR; else below /run for root, $XDG_RUNTIME_DIR, or the folder for temporary files.
std::string state_root();
// For what outlives an application: claims of volumes.
std::string data_root();

// FOLDER/lock is held by the process that plays, FOLDER/control is its socket.
struct AppFolder {
  std::string name, path;
  bool is_alive = false;
};
std::vector<AppFolder> list_apps();

// Makes the folder and takes its lock; what a killed process has left there stays for `clean`. Fails with BadArgument
// when the application is being played.
Result<container::Fd> lock_app(const std::string& name, std::string& path);

// Asks the process that plays: a line, to which it answers with JSON. Fails with System when it has gone.
Result<json::Value> ask(const AppFolder& app, const std::string& question);

// Removes what a process left in the folder of an application when it was killed, its Linux containers too; the lock
// stays. And the folder itself, with all in it.
void clean_left_behind(const std::string& folder);
void remove_folder(const std::string& folder);

// Makes a folder and those above it. Fails with System.
Result<> make_folders(const std::string& path, u32 mode = 0755);

}  // namespace berth::play
