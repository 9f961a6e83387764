// berth tool: programs for looking around where there are none. They act with the process's own rights, as the
// programs that they stand for would.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "berth/commands.h"
#include "cli/output.h"
#include "os/file.h"

namespace berth::cli {
namespace {

using Words = std::span<const std::string_view>;

int complain(std::string_view tool, std::string_view name, int error) {
  print_message(std::string(tool) + ": " + std::string(name) + ": " + std::strerror(error));
  return 1;
}

int copy_out(int fd) {
  char part[65536];
  while (true) {
    const ssize_t n = read(fd, part, sizeof part);
    if (n == 0) return 0;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (const int error = write_all(STDOUT_FILENO, {part, static_cast<size_t>(n)})) return error;
  }
}

int cat(Words words) {
  int code = 0;
  const std::string_view standard_input[] = {"-"};
  for (const std::string_view word : words.empty() ? Words(standard_input) : words) {
    const std::string name(word);
    const int fd = name == "-" ? STDIN_FILENO : open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      code = complain("cat", name, errno);
      continue;
    }
    if (const int error = copy_out(fd)) code = complain("cat", name, error);
    if (fd != STDIN_FILENO) close(fd);
  }
  return code;
}

int env(Words words) {
  if (!words.empty()) return usage_error({"tool env takes no arguments", {}});
  Output out;
  for (char** variable = environ; *variable; ++variable) out << *variable << "\n";
  return out.finish(0);
}

std::string mode_text(mode_t mode) {
  std::string out = "?";
  constexpr std::pair<mode_t, char> kTypes[] = {{S_IFREG, '-'}, {S_IFDIR, 'd'}, {S_IFLNK, 'l'}, {S_IFCHR, 'c'},
                                                {S_IFBLK, 'b'}, {S_IFIFO, 'p'}, {S_IFSOCK, 's'}};
  for (const auto& [type, letter] : kTypes)
    if ((mode & S_IFMT) == type) out[0] = letter;
  for (int bit = 8; bit >= 0; --bit) out += (mode >> bit & 1) != 0 ? "xwr"[bit % 3] : '-';
  if (mode & S_ISUID) out[3] = mode & S_IXUSR ? 's' : 'S';
  if (mode & S_ISGID) out[6] = mode & S_IXGRP ? 's' : 'S';
  if (mode & S_ISVTX) out[9] = mode & S_IXOTH ? 't' : 'T';
  return out;
}

std::string time_text(const timespec& time) {
  struct tm parts{};
  char text[64];
  if (!gmtime_r(&time.tv_sec, &parts)) return std::to_string(time.tv_sec);
  return {text, strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)};
}

std::string link_target(const std::string& path) {
  char target[4096];
  const ssize_t n = readlink(path.c_str(), target, sizeof target);
  return {target, n > 0 ? static_cast<size_t>(n) : 0};
}

std::string padded(std::string text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

struct Listed {
  std::string name, path;
  struct stat status{};
};

void list_rows(Output& out, std::vector<Listed>& rows, bool is_long) {
  std::ranges::sort(rows, {}, &Listed::name);
  for (const Listed& row : rows) {
    if (is_long) {
      const struct stat& s = row.status;
      const std::string size = S_ISCHR(s.st_mode) || S_ISBLK(s.st_mode)
                                   ? std::to_string(major(s.st_rdev)) + ", " + std::to_string(minor(s.st_rdev))
                                   : std::to_string(s.st_size);
      out << mode_text(s.st_mode) << " " << padded(std::to_string(s.st_nlink), 3) << " "
          << padded(std::to_string(s.st_uid), 5) << " " << padded(std::to_string(s.st_gid), 5) << " "
          << padded(size, 10) << " " << time_text(s.st_mtim) << " ";
    }
    out << row.name;
    if (is_long && S_ISLNK(row.status.st_mode)) out << " -> " << link_target(row.path);
    out << "\n";
  }
}

int ls(Words words) {
  bool is_long = false, all = false, itself = false;
  std::vector<std::string> names;
  for (const std::string_view word : words) {
    if (word.size() < 2 || word[0] != '-') {
      names.emplace_back(word);
      continue;
    }
    for (const char letter : word.substr(1)) {
      if (letter == 'l') is_long = true;
      if (letter == 'a' || letter == 'A') all = true;
      if (letter == 'd') itself = true;
      if (!std::strchr("laAd1", letter))
        return usage_error({"tool ls has no option " + std::string(word), "it has -l, -a, -d and -1"});
    }
  }
  if (names.empty()) names.emplace_back(".");
  Output out;
  int code = 0;
  std::vector<Listed> files;
  std::vector<std::string> folders;
  for (const std::string& name : names) {
    Listed row{name, name};
    if (lstat(name.c_str(), &row.status) != 0) {
      code = complain("ls", name, errno);
      continue;
    }
    struct stat behind{};
    const bool is_folder = stat(name.c_str(), &behind) == 0 && S_ISDIR(behind.st_mode);
    if (is_folder && !itself && !(is_long && S_ISLNK(row.status.st_mode))) {
      folders.push_back(name);
    } else {
      files.push_back(std::move(row));
    }
  }
  list_rows(out, files, is_long);
  for (const std::string& folder : folders) {
    const std::unique_ptr<DIR, int (*)(DIR*)> open_folder(opendir(folder.c_str()), closedir);
    if (!open_folder) {
      code = complain("ls", folder, errno);
      continue;
    }
    if (names.size() > 1) out << folder << ":\n";
    std::vector<Listed> rows;
    while (const dirent* entry = readdir(open_folder.get())) {
      if (entry->d_name[0] == '.' && !all) continue;
      Listed row{entry->d_name, folder + "/" + entry->d_name};
      if (is_long && lstat(row.path.c_str(), &row.status) != 0) continue;  // gone meanwhile
      rows.push_back(std::move(row));
    }
    list_rows(out, rows, is_long);
  }
  return out.finish(code);
}

int ps(Words) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc"), closedir);
  if (!folder) return complain("ps", "/proc", errno);
  std::vector<std::pair<u64, std::string>> rows;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    struct stat status{};
    const auto words = os::read_file("/proc/" + name + "/cmdline");
    const auto short_name = os::read_file("/proc/" + name + "/comm");
    if (!words || !short_name || stat(("/proc/" + name).c_str(), &status) != 0) continue;  // gone meanwhile
    std::string command(words->begin(), words->end());
    while (command.ends_with('\0')) command.pop_back();
    std::ranges::replace(command, '\0', ' ');
    if (command.empty()) {
      command = "[" + std::string(short_name->begin(), short_name->end());
      while (command.ends_with('\n')) command.pop_back();
      command += "]";
    }
    rows.emplace_back(std::stoull(name),
                      padded(name, 5) + " " + padded(std::to_string(status.st_uid), 5) + " " + command);
  }
  std::ranges::sort(rows);
  Output out;
  out << "  PID   UID COMMAND\n";
  for (const auto& row : rows) out << row.second << "\n";
  return out.finish(0);
}

int stat_files(Words words) {
  if (words.empty()) return usage_error({"tool stat needs the name of a file", {}});
  Output out;
  int code = 0;
  for (const std::string_view word : words) {
    const std::string name(word);
    struct stat s{};
    if (lstat(name.c_str(), &s) != 0) {
      code = complain("stat", name, errno);
      continue;
    }
    char access[8];
    snprintf(access, sizeof access, "%04o", static_cast<unsigned>(s.st_mode & 07777));
    out << "  File: " << name << (S_ISLNK(s.st_mode) ? " -> " + link_target(name) : "") << "\n"
        << "  Size: " << std::to_string(s.st_size) << "  Inode: " << std::to_string(s.st_ino)
        << "  Links: " << std::to_string(s.st_nlink) << "\n"
        << "Access: " << access << "/" << mode_text(s.st_mode) << "  Uid: " << std::to_string(s.st_uid)
        << "  Gid: " << std::to_string(s.st_gid) << "\n"
        << "Access: " << time_text(s.st_atim) << "\nModify: " << time_text(s.st_mtim)
        << "\nChange: " << time_text(s.st_ctim) << "\n";
  }
  return out.finish(code);
}

}  // namespace

int tool_command(const Arguments& arguments) {
  struct Tool {
    std::string_view name;
    int (*run)(Words);
  };
  constexpr Tool kTools[] = {{"cat", cat}, {"env", env}, {"ls", ls}, {"ps", ps}, {"stat", stat_files}};
  const Words words = arguments.operands();
  for (const Tool& tool : kTools)
    if (tool.name == words[0]) return tool.run(words.subspan(1));
  return usage_error({"there is no tool " + std::string(words[0]), "there are: cat, env, ls, ps and stat"});
}

}  // namespace berth::cli
