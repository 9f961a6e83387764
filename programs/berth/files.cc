#include "berth/files.h"

#include <cerrno>
#include <cstdio>

namespace berth::cli {

int read_file(const std::string& path, std::string& out) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (!file) return errno;
  char chunk[65536];
  size_t n;
  while ((n = std::fread(chunk, 1, sizeof chunk, file)) > 0) out.append(chunk, n);
  const int error = std::ferror(file) ? errno : 0;
  std::fclose(file);
  return error;
}

}  // namespace berth::cli
