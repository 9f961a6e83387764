// What a broker releases, on disk: one file a resource below a folder, REPOSITORY/TYPE/TAG, encrypted with AES-256-GCM
// under a key that is kept elsewhere and bound to its name, so that neither reading nor exchanging files helps anybody.
// May be used by several threads and processes: files are replaced as a whole.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "attest/encoding.h"
#include "base/result.h"

namespace berth::broker {

inline constexpr size_t kMostResource = size_t{64} << 20;  // bytes

class Store {
 public:
  // Reads the key, a file of 64 hexadecimal digits which only its owner and group may read. With `create`, makes the
  // folder and the key where they are missing. Fails with System, saying what to do.
  static Result<Store> open(std::string folder, std::string key_file, bool create);

  // Whether `name` is REPOSITORY/TYPE/TAG: each of 1 to 128 letters, digits, "-", "_" and ".", and not of dots at its
  // beginning.
  static bool is_name(std::string_view name);

  // Fails with System: there is none (`has` tells), it was changed, or the key is another.
  Result<attest::Blob> get(std::string_view name) const;
  Result<> put(std::string_view name, std::span<const u8> content) const;
  Result<> remove(std::string_view name) const;
  bool has(std::string_view name) const;
  // Names, sorted. Fails with System also when there is a file that is no resource: nobody should believe that it is
  // encrypted.
  Result<std::vector<std::string>> list() const;

  // A secret of the broker's own, in the same way: made when it is not there. Not to be asked for as a resource.
  Result<attest::Blob> own_secret(std::string_view name, const attest::Blob& otherwise) const;

  const std::string& folder() const { return folder_; }

 private:
  Store(std::string folder, attest::Blob key) : folder_(std::move(folder)), key_(std::move(key)) {}
  Result<attest::Blob> read(const std::string& path, std::string_view name) const;
  Result<> write(const std::string& path, std::string_view name, std::span<const u8> content) const;

  std::string folder_;
  attest::Blob key_;
};

}  // namespace berth::broker
