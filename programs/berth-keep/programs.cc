#include "berth-keep/programs.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "keep/problem.h"

namespace berth::keep {

Result<std::string> find_program(const std::string& name) {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
  path = path.substr(0, path.rfind('/') + 1) + name;
  if (access(path.c_str(), X_OK) == 0) return path;
  const char* const variable = std::getenv("PATH");
  std::string_view rest = variable ? variable : "";
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    path = std::string(entry) + "/" + name;
    if (entry.starts_with('/') && access(path.c_str(), X_OK) == 0) return path;
  }
  return problem("there is no " + name + " beside this program or in $PATH\ninstall it there");
}

bool is_static_program(std::span<const u8> bytes) {
  Elf64_Ehdr header;
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_machine != EM_X86_64 || (header.e_type != ET_EXEC && header.e_type != ET_DYN) ||
      header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > bytes.size() ||
      (bytes.size() - header.e_phoff) / sizeof(Elf64_Phdr) < header.e_phnum)
    return false;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    std::memcpy(&part, bytes.data() + header.e_phoff + i * sizeof part, sizeof part);
    if (part.p_type == PT_INTERP) return false;
  }
  return true;
}

}  // namespace berth::keep
