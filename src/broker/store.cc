#include "broker/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "broker/problem.h"
#include "broker/seal.h"
#include "os/file.h"

namespace berth::broker {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "berth-resource-1\n";
constexpr std::string_view kOwn = ".broker";  // no resource's repository begins with a dot
constexpr size_t kOverhead = kMagic.size() + 12 + 16;

bool is_part(std::string_view part) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !part.empty() && part.size() <= 128 && part[0] != '.' && std::ranges::all_of(part, is_fine);
}

Result<> make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return problem("cannot make the folder " + path.string() + ": " + error.message());
  return {};
}

Result<attest::Blob> read_key(const std::string& file) {
  struct stat about{};
  if (stat(file.c_str(), &about) != 0) return std::unexpected(os_error(errno, "cannot read the key " + file));
  // A group may read it: secrets of a cluster are mounted so.
  if (about.st_mode & 037)
    return problem("the key " + file + " can be read by others; `chmod 600` it, and think about who may have read it");
  const auto bytes = TRY(os::read_file(file, 4096));
  std::string_view text = attest::text_of(bytes);
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  auto key = attest::from_hex(text);
  if (!key || key->size() != 32) return problem("the key " + file + " is not of 64 hexadecimal digits");
  return std::move(*key);
}

// All or nothing, and never in the place of one that is there.
Result<> make_key(const std::string& file) {
  const std::string text = attest::to_hex(TRY(random_bytes(32))) + "\n";
  const std::string temporary = file + ".new." + std::to_string(getpid());
  TRY(os::replace_file(temporary, attest::bytes_of(text), 0600));
  const int linked = link(temporary.c_str(), file.c_str());
  const int error = errno;
  unlink(temporary.c_str());
  if (linked != 0 && error != EEXIST) return std::unexpected(os_error(error, "cannot make the key " + file));
  return {};
}

}  // namespace

Result<Store> Store::open(std::string folder, std::string key_file, bool create) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  std::error_code error;
  if (create) {
    TRY(make_folders(folder));
    if (!fs::exists(key_file, error)) {
      // A new key beside old resources would make them unreadable without a word.
      const Store any(folder, {});
      if (!TRY(any.list()).empty())
        return problem("there are resources in " + folder + ", but the key " + key_file +
                       " they are encrypted with is missing; name it with --key");
      TRY(make_key(key_file));
    }
  }
  if (!fs::is_directory(folder, error))
    return problem("there is no folder " + folder + "; `berth broker put` makes one");
  attest::Blob key = TRY(read_key(key_file));
  return Store(std::move(folder), std::move(key));
}

bool Store::is_name(std::string_view name) {
  u32 parts = 0;
  for (;;) {
    const size_t end = name.find('/');
    if (!is_part(name.substr(0, end)) || ++parts > 3) return false;
    if (end == std::string_view::npos) return parts == 3;
    name.remove_prefix(end + 1);
  }
}

Result<attest::Blob> Store::read(const std::string& path, std::string_view name) const {
  const auto bytes = TRY(os::read_file(path, kMostResource + kOverhead));
  if (bytes.size() < kOverhead || !attest::text_of(bytes).starts_with(kMagic))
    return problem(path + " is not encrypted, or not by a broker; `berth broker put` does that");
  Sealed sealed;
  auto at = bytes.begin() + static_cast<std::ptrdiff_t>(kMagic.size());
  std::copy_n(at, sealed.nonce.size(), sealed.nonce.begin());
  std::copy_n(bytes.end() - 16, sealed.tag.size(), sealed.tag.begin());
  sealed.text.assign(at + 12, bytes.end() - 16);
  auto out = unseal(key_, attest::bytes_of(std::string(kMagic) + std::string(name)), sealed);
  if (!out) return problem(path + ": " + out.error().to_string());
  return out;
}

Result<> Store::write(const std::string& path, std::string_view name, std::span<const u8> content) const {
  if (content.size() > kMostResource) return problem("a resource has at most 64 MiB");
  const Sealed sealed = TRY(seal(key_, attest::bytes_of(std::string(kMagic) + std::string(name)), content));
  attest::Blob out(kMagic.begin(), kMagic.end());
  out.insert(out.end(), sealed.nonce.begin(), sealed.nonce.end());
  out.insert(out.end(), sealed.text.begin(), sealed.text.end());
  out.insert(out.end(), sealed.tag.begin(), sealed.tag.end());
  TRY(make_folders(fs::path(path).parent_path()));
  return os::replace_file(path, out, 0600);
}

Result<attest::Blob> Store::get(std::string_view name) const {
  if (!is_name(name)) return problem(std::string(name) + " is not REPOSITORY/TYPE/TAG");
  return read(folder_ + "/" + std::string(name), name);
}

Result<> Store::put(std::string_view name, std::span<const u8> content) const {
  if (!is_name(name)) return problem(std::string(name) + " is not REPOSITORY/TYPE/TAG");
  return write(folder_ + "/" + std::string(name), name, content);
}

Result<> Store::remove(std::string_view name) const {
  if (!is_name(name)) return problem(std::string(name) + " is not REPOSITORY/TYPE/TAG");
  fs::path path = folder_ + "/" + std::string(name);
  if (unlink(path.c_str()) != 0) return std::unexpected(os_error(errno, "cannot remove " + path.string()));
  for (int level = 0; level < 2; ++level) {
    path = path.parent_path();
    if (rmdir(path.c_str()) != 0) break;  // others are in there
  }
  return {};
}

bool Store::has(std::string_view name) const {
  std::error_code error;
  return is_name(name) && fs::is_regular_file(folder_ + "/" + std::string(name), error);
}

Result<std::vector<std::string>> Store::list() const {
  std::vector<std::string> out;
  std::error_code error;
  fs::recursive_directory_iterator at(folder_, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    const std::string name = at->path().string().substr(folder_.size() + 1);
    if (name == kOwn) {
      at.disable_recursion_pending();
      continue;
    }
    std::error_code type_error;
    if (at->is_directory(type_error)) continue;
    if (!is_name(name))
      return problem(folder_ + "/" + name +
                     " is no resource: those are REPOSITORY/TYPE/TAG, made by `berth broker put`");
    out.push_back(name);
  }
  if (error) return problem("cannot list " + folder_ + ": " + error.message());
  std::ranges::sort(out);
  return out;
}

Result<attest::Blob> Store::own_secret(std::string_view name, const attest::Blob& otherwise) const {
  const std::string full = std::string(kOwn) + "/" + std::string(name), path = folder_ + "/" + full;
  std::error_code error;
  if (!fs::exists(path, error)) TRY(write(path, full, otherwise));
  return read(path, full);
}

}  // namespace berth::broker
