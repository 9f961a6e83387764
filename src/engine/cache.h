// Artifacts that may be run: a folder of them, found by what they are of, and what vouches for those elsewhere.
//
// An artifact is native code, so it is run only when this user compiled it. The folder keeps, authenticated
// (cache_folder.h):
//   objects/KEY.berth    artifacts; KEY is a digest of module, compiler, ABI, target, processor and options
//   vouched/DIGEST       that an artifact with that digest (abi::ArtifactHeader) came from this user's compiler
//   stamps/…             what file with which stamp (file_stamp.h) has which digest, so that files are not read at each
//                        start; for artifacts only on the folder's own file system, since others can be unplugged,
//                        and made to look alike elsewhere
// An artifact counts when its digest is vouched for and its contents have that digest: by its stamp or, where that has
// changed, by reading all of it. It must belong to this user or root and be writable to nobody else, since it is mapped
// and not copied.
//
// A module's stamp decides which artifact is taken for it. Whoever can make a file differ from its stamp can make it
// run another module's code, so a program that takes a digest from `digest_by_stamp` should also take the module from
// the artifact (read_module_in), which makes them belong together whatever the file says.
//
// Any thread, any number of processes. Everything that appears is complete; a loss of power, a full disk, or somebody
// removing files costs a compilation.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/artifact_file.h"
#include "engine/cache_folder.h"
#include "engine/file_stamp.h"

namespace berth::engine {

inline constexpr u64 kDefaultCacheBytes = u64{2} << 30;

// $BERTH_CACHE_DIR, $XDG_CACHE_HOME/berth or ~/.cache/berth; empty when there is no home.
std::string default_cache_folder();

class Cache {
 public:
  // Fails as CacheFolder::open does. The folder is kept below `most_bytes`, but for one artifact.
  static Result<std::unique_ptr<Cache>> open(const std::string& folder, u64 most_bytes = kDefaultCacheBytes);

  const CacheFolder& folder() const { return folder_; }

  // An artifact, open and authenticated, for this Berth and this machine; nothing when there is none. Fails with
  // BadArtifact when there is one that may not be run, and says why.
  Result<std::optional<Descriptor>> find(const WantedArtifact& wanted) const;
  // Whether the open file may be run, apart from whether it can be; the file stays open. Fails with BadArtifact.
  Result<> authenticate(int file, const ArtifactSummary& summary, const std::string& name) const;

  // What was asked of the compiler, for `was_made_for`, and a name that people know the module by.
  struct Origin {
    Digest request;
    std::string name;
  };
  // Where to put what is then given to `insert`; a file that is not there yet.
  std::string new_path() const { return folder_.path_of(folder_.new_name()); }
  // Takes the file at `path`, a path of new_path() that this process had the compiler write, among the objects, and
  // prunes. Whatever happens, there is no file at `path` afterwards. Fails with BadArtifact when it is not what is
  // wanted, or System.
  Result<Descriptor> insert(const std::string& path, const WantedArtifact& wanted, const Origin& origin) const;
  // Vouches for the artifact at `path`, of new_path() too, so that copies of it may be run.
  Result<> vouch(const std::string& path, const Origin& origin) const;
  // Whether there is an artifact that `find` would find, and it was made for the request.
  bool was_made_for(const WantedArtifact& wanted, const Digest& request) const;

  // Held while something is compiled, so that nobody else does the same.
  class Lock {
   public:
    Lock(Lock&&) = default;
    ~Lock();

   private:
    friend class Cache;
    Lock(const CacheFolder* folder, std::string name, Descriptor file)
        : folder_(folder), name_(std::move(name)), file_(std::move(file)) {}
    const CacheFolder* folder_;
    std::string name_;
    Descriptor file_;
  };
  // Waits for whoever holds it. Fails with System.
  Result<Lock> lock(const WantedArtifact& wanted) const;

  // The digest of a file's contents, from when it was read before; nothing when it must be read.
  std::optional<Digest> digest_by_stamp(int file) const;
  // The same, reading it if need be, and remembers it if that can be relied upon. Fails with System.
  Result<Digest> digest_of(int file, const std::string& name) const;

  struct Entry {
    std::string key;
    u64 bytes;            // on disk
    i64 last_used;        // nanoseconds since 1970
    std::string name;     // of the module; empty when nobody vouches for the artifact
    std::string why_not;  // why this Berth would not run it; empty when it would
    std::optional<ArtifactSummary> summary;
  };
  // What is there, the most recently used first.
  std::vector<Entry> list() const;
  // Reads all of an artifact. Fails with BadArtifact when it is damaged or nobody vouches for it.
  Result<> verify(const Entry& entry) const;
  void remove(const Entry& entry) const;
  struct Pruned {
    u64 artifacts = 0, bytes = 0;
  };
  // Removes the least recently used until the rest has at most so many bytes, and what others left behind.
  Pruned prune(u64 most_bytes) const;
  // Removes everything but the key, what vouches for artifacts elsewhere too.
  Pruned clear() const;

 private:
  Cache(CacheFolder folder, u64 most_bytes) : folder_(std::move(folder)), most_bytes_(most_bytes) {}

  std::string key_of(const WantedArtifact& wanted) const;
  bool may_stamp(int file, const FileStamp& stamp) const;
  Result<Digest> vouch_for(int file, const ArtifactSummary& summary, const std::string& name,
                           const Origin& origin) const;
  void remember(char kind, const FileStamp& stamp, i64 read_at, const Digest& digest) const;
  std::optional<Digest> recall(char kind, const FileStamp& stamp) const;
  void note_use(const FileStamp& stamp) const;
  void remove_left_behind() const;

  const CacheFolder folder_;
  const u64 most_bytes_;
};

}  // namespace berth::engine
