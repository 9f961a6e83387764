// The guest's descriptors: what each refers to, and its rights. Not shared between threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "hostio/directory.h"
#include "hostio/directory_reader.h"
#include "hostio/file.h"
#include "wasi_p1/failure.h"

namespace berth::wasi_p1 {

struct Descriptor {
  std::variant<hostio::Directory, hostio::File> object;
  u64 rights_base = 0, rights_inheriting = 0;
  std::optional<std::string> preopen_name;        // of a granted directory
  std::optional<hostio::DirectoryReader> reader;  // made by the first fd_readdir

  hostio::File* file() { return std::get_if<hostio::File>(&object); }
  hostio::Directory* directory() { return std::get_if<hostio::Directory>(&object); }
};

class Descriptors {
 public:
  explicit Descriptors(size_t limit) : limit_(limit) {}

  // Fails with BadDescriptor when `fd` is not open. The pointer is valid until the descriptor is
  // closed.
  Expected<Descriptor*> find(u32 fd);
  // Opens the lowest free number. Fails with TooManyFiles at the limit.
  Expected<u32> insert(Descriptor descriptor);
  // For setting up: the number behind all others, and one that stays free until something is
  // opened.
  Expected<u32> append(Descriptor descriptor);
  void skip() { slots_.emplace_back(); }
  Expected<> close(u32 fd);
  // Moves `from` to `to`, which must be open and is closed (specification: fd_renumber).
  Expected<> renumber(u32 from, u32 to);

 private:
  std::vector<std::unique_ptr<Descriptor>> slots_;
  size_t limit_;
  size_t first_free_ = 0;  // no number below it is free
};

Filetype to_filetype(hostio::FileType type);
// The rights that a file of this type can have.
u64 rights_for(const hostio::File& file);

}  // namespace berth::wasi_p1
