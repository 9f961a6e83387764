// Files and directories (wasi:filesystem/types#descriptor). The store's thread.
#pragma once

#include "hostio/directory.h"
#include "wasi_p2/streams.h"

namespace berth::wasi_p2 {

class SharedDirectory final : public Resource {
 public:
  explicit SharedDirectory(hostio::Directory directory) : directory(std::move(directory)) {}
  const hostio::Directory directory;
};

class Descriptor final : public Resource {
 public:
  explicit Descriptor(Ref<SharedDirectory> directory) : directory_(std::move(directory)) {}
  Descriptor(Ref<SharedFile> file, bool reads, bool writes, bool may_change)
      : file_(std::move(file)), reads_(reads), writes_(writes), may_change_(may_change) {}

  const hostio::Directory* directory() const { return directory_ ? &directory_->directory : nullptr; }
  const Ref<SharedFile>& file() const { return file_; }
  // Of a file: what it was opened for; whether its grant lets anything change.
  bool reads() const { return reads_; }
  bool writes() const { return writes_; }
  bool may_change() const { return may_change_; }

 private:
  Ref<SharedDirectory> directory_;  // or
  Ref<SharedFile> file_;
  bool reads_ = false, writes_ = false, may_change_ = false;
};

}  // namespace berth::wasi_p2
