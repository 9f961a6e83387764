// The folder of a cache and what makes its contents trustworthy: it belongs to this user alone, and small records in it
// are authenticated with a key that only this user can read. Any thread and any number of processes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/descriptor.h"
#include "engine/digest.h"

namespace berth::engine {

class CacheFolder {
 public:
  // Opens the folder at `path`, made when it is not there, with its key. Fails with System when it cannot be made,
  // belongs to somebody else, is open to others, or when its key is not as it should be; the message says what to do.
  static Result<CacheFolder> open(const std::string& path);

  const std::string& path() const { return path_; }
  int descriptor() const { return root_.get(); }
  u64 device() const { return device_; }
  std::string path_of(std::string_view name) const { return path_ + "/" + std::string(name); }

  // A file below the folder, for reading; not open when there is none. Symbolic links are not followed.
  Descriptor open_file(const std::string& name) const;
  // The names in one of its folders, without those that start with a dot; none when it cannot be read.
  std::vector<std::string> names(const std::string& folder) const;

  // The payload of a record; nothing when there is none of that size that this user's key made for that name.
  std::optional<std::vector<u8>> read_record(const std::string& name, size_t size) const;
  // Replaces a record, as a whole. `durable`: it is there after a loss of power too. Fails with System.
  Result<> write_record(const std::string& name, std::span<const u8> payload, bool durable) const;
  void remove(const std::string& name) const;
  // Makes what was renamed in one of its folders outlive a loss of power.
  Result<> sync(const std::string& folder) const;
  // A name in `tmp` that nobody else has.
  std::string new_name() const;

 private:
  CacheFolder(std::string path, Descriptor root, u64 device)
      : path_(std::move(path)), root_(std::move(root)), device_(device) {}
  Result<> prepare();
  Result<> read_key();
  Result<> make_key();
  Digest authenticate(const std::string& name, std::span<const u8> payload) const;

  std::string path_;
  Descriptor root_;
  u64 device_;
  Digest key_{};
};

}  // namespace berth::engine
