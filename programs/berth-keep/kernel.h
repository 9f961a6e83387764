// A distribution's kernel, out of its package or of where it is installed, and those of its modules that a keep needs.
// One thread.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace berth::keep {

struct Kernel {
  std::string version;  // "6.1.0-57-cloud-amd64"
  std::vector<u8> image;
  std::map<std::string, std::vector<u8>> modules;  // by name, unpacked; names have '_' where files may have '-'
  std::vector<std::string> built_in;               // names of modules that the kernel has in itself
};

// Of a Debian package of a kernel (linux-image-…_amd64.deb). Fails with System: no package, no kernel in it.
Result<Kernel> read_kernel_package(const std::string& path);
// Of a kernel's file and the folder of its modules (/lib/modules/VERSION); without one it is a kernel that has all in
// itself.
Result<Kernel> read_kernel_files(const std::string& image, const std::string& modules);

// What the modules of a keep are. The first ones it does not work without.
std::span<const std::string_view> needed_modules();
std::span<const std::string_view> wanted_modules();

struct ModuleOrder {
  std::vector<std::string> load;     // each after what it depends on
  std::vector<std::string> missing;  // of the wanted ones
};
// Fails with System when a needed module, or what one depends on, is neither there nor built in.
Result<ModuleOrder> order_modules(const Kernel& kernel);

// The values of "key=value" in a module's own description (the section .modinfo).
std::vector<std::string> module_info(std::span<const u8> module, std::string_view key);

}  // namespace berth::keep
