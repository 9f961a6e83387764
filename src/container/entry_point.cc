#include "container/entry_point.h"

#include <sys/stat.h>
#include <unistd.h>

namespace berth::container {

namespace {

constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr size_t kLooked = 4096;

// What is behind white space and comments.
std::string_view without_blanks(std::string_view text) {
  while (!text.empty()) {
    if (text[0] == ' ' || text[0] == '\t' || text[0] == '\n' || text[0] == '\r') {
      text.remove_prefix(1);
    } else if (text.starts_with(";;")) {
      text.remove_prefix(std::min(text.find('\n'), text.size()));
    } else if (text.starts_with("(;")) {
      const size_t end = text.find(";)");
      // A comment longer than what was looked at is nobody else's format either.
      if (end == std::string_view::npos) return text;
      text.remove_prefix(end + 2);
    } else {
      break;
    }
  }
  return text;
}

}  // namespace

ProgramKind kind_of(int file, std::string_view name) {
  char start[kLooked];
  const ssize_t n = pread(file, start, sizeof start, 0);
  const std::string_view text(start, n > 0 ? static_cast<size_t>(n) : 0);
  using namespace std::string_view_literals;
  // After the magic: a version, and since components exist, a layer (specification: binary format, preamble).
  if (text.starts_with("\0asm"sv)) {
    return text.size() >= 8 && text[6] == 1 && text[7] == 0 ? ProgramKind::Component : ProgramKind::Module;
  }
  if (const std::string_view form = without_blanks(text); name.ends_with(".wat") && form.starts_with('('))
    return without_blanks(form.substr(1)).starts_with("component") ? ProgramKind::Component : ProgramKind::Text;
  if (name.ends_with(".berth") && text.starts_with("\x7f"
                                                   "ELF"))
    return ProgramKind::Artifact;
  return ProgramKind::Native;
}

const char* find_variable(const std::vector<std::string>& environment, std::string_view name) {
  const char* found = nullptr;
  for (const std::string& line : environment) {
    if (line.size() > name.size() && line[name.size()] == '=' && line.starts_with(name))
      found = line.c_str() + name.size() + 1;
  }
  return found;
}

EntryPoint find_entry_point(const ContainerFiles& files, std::string_view command, std::string_view cwd,
                            const std::vector<std::string>& environment) {
  if (command.empty()) return {};
  auto look = [&](std::string path) -> EntryPoint {
    Fd file = files.open_regular(path);
    if (!file) return {};
    const ProgramKind kind = kind_of(file.get(), path);
    return {kind, std::move(path), std::move(file)};
  };
  if (command.find('/') != std::string_view::npos) return look(absolute_path(cwd, command));

  const char* variable = find_variable(environment, "PATH");
  std::string_view folders = variable ? std::string_view(variable) : kDefaultPath;
  while (!folders.empty()) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    folders.remove_prefix(std::min(folders.size(), folder.size() + 1));
    EntryPoint found = look(absolute_path(absolute_path(cwd, folder), command));
    if (found.kind != ProgramKind::Missing) return found;
  }
  EntryPoint here = look(absolute_path(cwd, command));
  if (!is_wasm(here.kind)) return {};
  return here;
}

}  // namespace berth::container
