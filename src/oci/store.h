// Images on this machine: a folder laid out as the OCI image layout specification says (image-layout.md), so that other
// tools read it too (`skopeo inspect oci:FOLDER:NAME`). Safe with any number of processes; an object belongs to one
// thread, but for `blob_path`, `has` and `BlobWriter`s, of which each thread has its own.
//
//   oci-layout, index.json, blobs/ALGORITHM/HEX    as specified; index.json names images by their full reference
//   ingest/ALGORITHM-HEX                           what has come of a blob so far, continued later
//   lock, index.lock                               held while blobs may be added, and while names change
//
// Nothing appears under blobs/ before it is complete, has its digest and is on disk; names change by renaming.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oci/manifest.h"
#include "oci/reference.h"

namespace berth::oci {

// $BERTH_IMAGES, /var/lib/berth/images for root, $XDG_DATA_HOME/berth/images or ~/.local/share/berth/images. Fails when
// there is no home.
Result<std::string> default_store_folder();

// An open file descriptor of its own.
class File {
 public:
  explicit File(int descriptor = -1) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~File();
  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

class Store {
 public:
  // Opens the folder, made if need be, for reading and adding; while it is open no blob is removed by others. Fails
  // with what to do.
  static Result<Store> open(const std::string& folder);

  const std::string& folder() const { return folder_; }

  // A named image.
  struct Entry {
    std::string name;  // a full reference with a tag
    Descriptor descriptor;
  };
  // All, in the order in which they were named.
  Result<std::vector<Entry>> entries() const;
  // The image of that name or digest; a reference with both must fit both. Nothing when there is none.
  Result<std::optional<Descriptor>> find(const Reference& reference) const;

  std::string blob_path(const Digest& digest) const;
  // Whether the blob is there, with the size of its descriptor.
  bool has(const Descriptor& descriptor) const;
  // A small blob, checked against its digest. Fails saying that it is damaged, or missing.
  Result<std::string> read(const Descriptor& descriptor, u64 most) const;
  Result<std::variant<Manifest, Index>> read_manifest(const Descriptor& descriptor) const;
  // A blob of any size, for reading.
  Result<File> open_blob(const Descriptor& descriptor) const;

  // Adds a blob that is in memory.
  Result<> add(std::string_view bytes, const Digest& digest) const;
  // Gives the image at the descriptor, whose blobs are all there, a name; whoever had it loses it.
  Result<> set_name(const std::string& name, const Descriptor& descriptor) const;
  // Takes names away. False when it was not there.
  Result<bool> remove_name(const std::string& name) const;

  struct Collected {
    u64 blobs = 0, bytes = 0;
    bool busy = false;  // others are adding; what is left is removed another time
  };
  // Removes blobs that belong to no named image.
  Result<Collected> collect();

 private:
  friend class BlobWriter;
  Store(std::string folder, File lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}
  Result<json::Value> read_index() const;
  Result<> change_index(const std::function<Result<>(json::Value&)>& change) const;
  Result<> mark(const Descriptor& descriptor, std::vector<std::string>& reached) const;

  std::string folder_;
  File lock_;
};

// A blob on its way into the store. What has come is kept when it is not finished, and continued by the next writer.
class BlobWriter {
 public:
  // Waits for another process that gets the same blob; afterwards the blob may be there. The store outlives the writer.
  static Result<BlobWriter> open(const Store& store, const Descriptor& descriptor);

  const Store& store() const { return *store_; }
  // How many bytes have come so far.
  u64 size() const { return size_; }
  // Fails on a full disk, or when there are more than the descriptor says.
  Result<> write(std::string_view bytes);
  // Starts anew.
  Result<> restart();
  // Checks size and digest, and puts the blob in its place. When it is not what it should be, what came is discarded.
  Result<> finish();
  // Discards what came.
  void discard();

 private:
  BlobWriter(const Store& store, std::string path, std::string target, Descriptor descriptor, File file)
      : store_(&store),
        path_(std::move(path)),
        target_(std::move(target)),
        descriptor_(std::move(descriptor)),
        file_(std::move(file)) {}

  const Store* store_;
  std::string path_, target_;
  Descriptor descriptor_;
  File file_;
  Hasher hasher_;
  u64 size_ = 0;
};

}  // namespace berth::oci
