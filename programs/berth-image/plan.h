// What an image is to consist of, and the image made of it (docs/images.md). One thread.
#pragma once

#include <string>
#include <vector>

#include "oci/layer.h"
#include "oci/manifest.h"
#include "oci/store.h"

namespace berth::image {

// Where things are in the Linux faces. What is relied upon: an entry point that starts with kLauncher and "run" is
// Berth starting the module that follows "--".
inline constexpr const char* kLauncher = "/.berth/berth";
inline constexpr const char* kNativeCode = "/.berth/native.berth";

// Labels of configurations and annotations of manifests.
inline constexpr const char* kLabelModule = "berth.module";      // the entry point's path
inline constexpr const char* kLabelFolders = "berth.asks.dirs";  // "/data /etc/app:ro"
// What berth-oci reads too (docs/containers.md), as annotations and, for engines that pass none on, in the environment.
inline constexpr const char* kAskListen = "run.berth.tcp-listen";  // "0.0.0.0:8080", separated by commas
inline constexpr const char* kAskRoot = "run.berth.root";          // "none", "ro", "rw"
inline constexpr const char* kVariableListen = "BERTH_TCP_LISTEN";
inline constexpr const char* kVariableRoot = "BERTH_ROOT";
inline constexpr const char* kLabelNative = "berth.native";  // what its native code is for: "x86_64-linux x86-64-v3"
inline constexpr const char* kLabelNeeds = "berth.needs";    // "berth": runs only where nodes bring Berth

// A machine that may have no Berth.
struct Machine {
  std::string architecture;  // "amd64"
  std::string launcher;      // the static berth; empty: the face has only the module, for nodes with Berth
  std::string native_code;   // an artifact without its module; empty: none
  std::string native_for;
};

struct Plan {
  std::vector<std::string> names;
  bool is_artifact = false;
  std::vector<oci::LayerFile> modules, files;
  std::string entry;  // a path of one of the modules
  std::vector<std::string> arguments, environment, folders, listen;
  std::string user, working_folder, author;
  oci::Annotations labels, annotations;
  oci::Compression compression = oci::Compression::Gzip;
  u64 time = 0;  // seconds since 1970
  std::vector<Machine> machines;
};

// Takes what a manifest file says into the plan, files and all. Fails with what is wrong and where.
Result<> read_manifest_file(const std::string& path, Plan& plan);
// Adds a module, a file, or all files of a folder.
Result<> add_module(const std::string& path, Plan& plan);
Result<> add_files(const std::string& source, const std::string& target, Plan& plan);

// Makes the image, puts it into the store and names it there.
Result<oci::Descriptor> assemble(const oci::Store& store, const Plan& plan);

}  // namespace berth::image
