// A repository of a registry (OCI distribution specification): manifests and blobs got and put. Safe from any thread;
// each request runs on the thread that makes it. What goes wrong for a while is tried again, with growing pauses.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "oci/credentials.h"
#include "oci/http.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "oci/store.h"

namespace berth::oci {

struct RegistryOptions {
  bool tls_verify = true;                  // else any certificate will do, and plain HTTP where there is no TLS
  std::string ca_file;                     // trusted beside what the system trusts
  std::string auth_file;                   // of credentials; empty: where podman and docker keep theirs
  std::optional<Credentials> credentials;  // instead of what the files say
  u64 chunk_size = 0;                      // of uploads; 0: in one piece
};

// Told how much of a blob has come or gone.
using Progress = std::function<void(u64)>;

struct FetchedManifest {
  std::string text;
  Descriptor descriptor;  // whose media type is what the registry called it, or the text itself
};

class Registry {
 public:
  enum class Access : u8 { Pull, Push };

  // Finds out how to talk to the registry of that repository. Fails when it cannot be reached.
  static Result<std::unique_ptr<Registry>> open(const Reference& reference, Access access,
                                                const RegistryOptions& options);

  // Whether the registry lets us in, with the credentials we have.
  Result<> check_login();

  // A manifest or an index by tag or digest, checked against the digest if there is one. Nothing when there is none.
  Result<std::optional<FetchedManifest>> find_manifest(const std::string& target);
  // The same; fails when there is none.
  Result<FetchedManifest> manifest(const std::string& target);
  Result<bool> has_manifest(const Digest& digest);
  Result<> put_manifest(const std::string& target, const std::string& text, const std::string& media_type);

  // Gets what the writer does not have yet.
  Result<> get_blob(const Descriptor& descriptor, BlobWriter& writer, const Progress& progress);
  // A blob into memory; for those known to be small.
  Result<std::string> small_blob(const Descriptor& descriptor);
  Result<bool> has_blob(const Digest& digest);
  // Asks the registry to take a blob over from another repository of its own; false when it does not.
  Result<bool> mount_blob(const Digest& digest, const std::string& from_repository);
  Result<> put_blob(const Descriptor& descriptor, int file, const Progress& progress);

 private:
  Registry(const Reference& reference, Access access, const RegistryOptions& options);

  Result<> find_scheme();
  HttpClient& client();
  std::expected<Response, HttpFailure> perform(const Request& request);
  Result<Response> request(Request request, const std::string& what);
  Result<bool> authorize(const Response& refused);
  Result<std::string> fetch_token(const std::string& realm, const std::map<std::string, std::string>& parameters);
  std::optional<std::string> authorization() const;
  Result<> load_credentials();
  std::string url(const std::string& path) const { return base_ + "/v2/" + reference_.repository + path; }
  std::string absolute(const std::string& location) const;
  Error refusal(const Response& response, const std::string& what) const;
  Error unreachable(const HttpFailure& failure) const;
  Result<std::string> start_upload(const std::string& query);
  Result<Response> put_whole(const Descriptor& descriptor, int file, const Progress& progress);
  Result<Response> put_chunks(const Descriptor& descriptor, int file, u64 chunk, const Progress& progress);

  const Reference reference_;
  const Access access_;
  const RegistryOptions options_;
  HttpOptions http_;
  std::string base_;  // "https://host"

  mutable std::mutex mutex_;
  std::map<std::thread::id, std::unique_ptr<HttpClient>> clients_;
  std::string authorization_;  // a header's value
  u64 generation_ = 0;         // counts changes of it
  bool has_looked_ = false;
  std::optional<Credentials> credentials_;
  std::string credentials_source_;
  std::vector<std::string> more_scopes_;
};

}  // namespace berth::oci
