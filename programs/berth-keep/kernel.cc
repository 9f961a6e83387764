#include "berth-keep/kernel.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>

#include "keep/problem.h"
#include "os/file.h"

namespace berth::keep {
namespace {

constexpr u64 kMostFile = u64{512} << 20, kMostUnpacked = u64{2} << 30;

// Without the first ones a keep reaches neither its host nor a broker.
constexpr std::string_view kNeeded[] = {"virtio_pci", "virtio_console", "virtio_net", "virtio_blk"};
// Evidence, entropy of the host, its clock, its sockets.
constexpr std::string_view kWanted[] = {
    "configfs",   "tsm",         "tsm_report", "sev_guest", "tdx_guest",
    "virtio_rng", "virtio_mmio", "ptp_kvm",    "vsock",     "vmw_vsock_virtio_transport"};

struct Free {
  void operator()(archive* a) const { archive_read_free(a); }
};
using Archive = std::unique_ptr<archive, Free>;

std::unexpected<Error> broken(archive* in, const std::string& what) {
  const char* const why = archive_error_string(in);
  return problem(what + " cannot be read: " + (why ? why : "it is damaged"));
}

Result<std::vector<u8>> read_entry(archive* in, const std::string& what) {
  std::vector<u8> out;
  while (true) {
    const void* block = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int outcome = archive_read_data_block(in, &block, &size, &offset);
    if (outcome == ARCHIVE_EOF) return out;
    if (outcome != ARCHIVE_OK) return broken(in, what);
    if (static_cast<u64>(offset) + size > kMostUnpacked) return problem(what + " is too large");
    out.resize(std::max<size_t>(out.size(), static_cast<size_t>(offset)));
    out.insert(out.end(), static_cast<const u8*>(block), static_cast<const u8*>(block) + size);
  }
}

// A module may be compressed; the kernel need not know how.
Result<std::vector<u8>> unpack_module(std::vector<u8> bytes, const std::string& name) {
  if (name.ends_with(".ko")) return bytes;
  const Archive in(archive_read_new());
  archive_read_support_format_raw(in.get());
  archive_read_support_filter_gzip(in.get());
  archive_read_support_filter_xz(in.get());
  archive_read_support_filter_zstd(in.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_memory(in.get(), bytes.data(), bytes.size()) != ARCHIVE_OK ||
      archive_read_next_header(in.get(), &entry) != ARCHIVE_OK)
    return broken(in.get(), name);
  return read_entry(in.get(), name);
}

std::string module_name(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  name = name.substr(0, name.find(".ko"));
  std::ranges::replace(name, '-', '_');
  return name;
}

bool is_module_file(std::string_view path) {
  const size_t at = path.rfind(".ko");
  const std::string_view end = at == std::string_view::npos ? "" : path.substr(at);
  return end == ".ko" || end == ".ko.xz" || end == ".ko.zst" || end == ".ko.gz";
}

void read_built_in(std::span<const u8> list, Kernel& kernel) {
  std::string line;
  for (const u8 byte : list) {
    if (byte != '\n') {
      line += static_cast<char>(byte);
      continue;
    }
    kernel.built_in.push_back(module_name(line));
    line.clear();
  }
}

// Those of a package whose names are wanted, by their paths without "./".
Result<> read_package_data(archive* outer, const std::string& path, Kernel& kernel) {
  const std::vector<u8> packed = TRY(read_entry(outer, path));
  const Archive in(archive_read_new());
  archive_read_support_format_tar(in.get());
  archive_read_support_filter_gzip(in.get());
  archive_read_support_filter_xz(in.get());
  archive_read_support_filter_zstd(in.get());
  if (archive_read_open_memory(in.get(), packed.data(), packed.size()) != ARCHIVE_OK) return broken(in.get(), path);
  archive_entry* entry = nullptr;
  while (true) {
    const int outcome = archive_read_next_header(in.get(), &entry);
    if (outcome == ARCHIVE_EOF) return {};
    if (outcome != ARCHIVE_OK && outcome != ARCHIVE_WARN) return broken(in.get(), path);
    std::string name = archive_entry_pathname(entry) ? archive_entry_pathname(entry) : "";
    if (name.starts_with("./")) name.erase(0, 2);
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    if (name.starts_with("boot/vmlinuz-")) {
      kernel.version = name.substr(std::strlen("boot/vmlinuz-"));
      kernel.image = TRY(read_entry(in.get(), name));
    } else if (is_module_file(name)) {
      auto module = TRY(read_entry(in.get(), name));
      kernel.modules[module_name(name)] = TRY(unpack_module(std::move(module), name));
    } else if (name.ends_with("/modules.builtin")) {
      read_built_in(TRY(read_entry(in.get(), name)), kernel);
    }
  }
}

}  // namespace

Result<Kernel> read_kernel_package(const std::string& path) {
  const Archive in(archive_read_new());
  archive_read_support_format_ar(in.get());
  const std::vector<u8> bytes = TRY(os::read_file(path, kMostFile));
  if (archive_read_open_memory(in.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    return problem(path + " is no package of Debian's");
  Kernel kernel;
  archive_entry* entry = nullptr;
  int outcome = ARCHIVE_OK;
  while ((outcome = archive_read_next_header(in.get(), &entry)) == ARCHIVE_OK) {
    const char* const name = archive_entry_pathname(entry);
    if (name && std::string_view(name).starts_with("data.tar")) TRY(read_package_data(in.get(), path, kernel));
  }
  if (outcome != ARCHIVE_EOF) return broken(in.get(), path);
  if (kernel.image.empty())
    return problem(
        path +
        " has no kernel in it\ntake a package such as linux-image-…-cloud-amd64, not one that only depends on it");
  return kernel;
}

Result<Kernel> read_kernel_files(const std::string& image, const std::string& modules) {
  Kernel kernel;
  kernel.image = TRY(os::read_file(image, kMostFile));
  if (modules.empty()) return kernel;
  std::error_code error;
  std::filesystem::path folder(modules);
  if (!std::filesystem::is_directory(folder, error)) return problem(modules + " is no folder of modules");
  kernel.version = (folder.has_filename() ? folder : folder.parent_path()).filename();
  for (std::filesystem::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_regular_file(error)) continue;
    const std::string name = it->path();
    if (is_module_file(name)) {
      auto module = TRY(os::read_file(name, kMostFile));
      kernel.modules[module_name(name)] = TRY(unpack_module(std::move(module), name));
    } else if (it->path().filename() == "modules.builtin") {
      read_built_in(TRY(os::read_file(name, kMostFile)), kernel);
    }
  }
  if (error) return problem("cannot list " + modules + ": " + error.message());
  return kernel;
}

std::span<const std::string_view> needed_modules() { return kNeeded; }
std::span<const std::string_view> wanted_modules() { return kWanted; }

std::vector<std::string> module_info(std::span<const u8> module, std::string_view key) {
  std::vector<std::string> out;
  Elf64_Ehdr header;
  if (module.size() < sizeof header) return out;
  std::memcpy(&header, module.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shoff > module.size() ||
      (module.size() - header.e_shoff) / sizeof(Elf64_Shdr) < header.e_shnum || header.e_shstrndx >= header.e_shnum)
    return out;
  const auto section = [&](size_t index) {
    Elf64_Shdr of;
    std::memcpy(&of, module.data() + header.e_shoff + index * sizeof of, sizeof of);
    return of;
  };
  const auto contents = [&](const Elf64_Shdr& of) -> std::string_view {
    if (of.sh_type == SHT_NOBITS || of.sh_offset > module.size() || of.sh_size > module.size() - of.sh_offset)
      return {};
    return {reinterpret_cast<const char*>(module.data()) + of.sh_offset, of.sh_size};
  };
  const std::string_view names = contents(section(header.e_shstrndx));
  for (size_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr of = section(i);
    const std::string_view name = of.sh_name < names.size() ? names.substr(of.sh_name) : "";
    if (name.substr(0, name.find('\0')) != ".modinfo") continue;
    std::string_view rest = contents(of);
    while (!rest.empty()) {
      const std::string_view row = rest.substr(0, rest.find('\0'));
      rest.remove_prefix(std::min(rest.size(), row.size() + 1));
      if (row.size() > key.size() && row.starts_with(key) && row[key.size()] == '=')
        out.emplace_back(row.substr(key.size() + 1));
    }
  }
  return out;
}

Result<ModuleOrder> order_modules(const Kernel& kernel) {
  ModuleOrder order;
  if (kernel.modules.empty() && kernel.built_in.empty()) return order;
  std::set<std::string> seen(kernel.built_in.begin(), kernel.built_in.end());
  // Depth first: what a module depends on comes before it. Those that depend on each other end the search.
  const std::function<Result<>(const std::string&)> add = [&](const std::string& name) -> Result<> {
    if (!seen.insert(name).second) return {};
    const auto module = kernel.modules.find(name);
    if (module == kernel.modules.end()) return problem("the kernel has no module " + name);
    for (const std::string& list : module_info(module->second, "depends")) {
      std::string_view rest = list;
      while (!rest.empty()) {
        std::string on(rest.substr(0, rest.find(',')));
        rest.remove_prefix(std::min(rest.size(), on.size() + 1));
        std::ranges::replace(on, '-', '_');
        TRY(add(on));
      }
    }
    order.load.push_back(name);
    return {};
  };
  for (const std::string_view name : kNeeded) TRY(add(std::string(name)));
  for (const std::string_view name : kWanted) {
    if (kernel.modules.contains(std::string(name))) {
      TRY(add(std::string(name)));
    } else if (!seen.contains(std::string(name))) {
      order.missing.emplace_back(name);
    }
  }
  return order;
}

}  // namespace berth::keep
