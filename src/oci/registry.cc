#include "oci/registry.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "oci/challenge.h"
#include "oci/problem.h"

namespace berth::oci {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr int kMostTries = 5, kConnectTries = 3;
constexpr milliseconds kFirstPause = 250ms, kLongestPause = 30s;
// What proxies in front of registries usually let through.
constexpr u64 kUsualChunk = u64{16} << 20;

void pause_before(int attempt, const std::string& retry_after) {
  milliseconds pause = kFirstPause * (1 << std::min(attempt - 1, 6));
  u32 seconds = 0;
  if (std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds).ec == std::errc() &&
      seconds > 0)
    pause = std::chrono::seconds(seconds);
  static thread_local std::minstd_rand random{std::random_device{}()};
  pause += pause * static_cast<int>(random() % 32) / 128;
  std::this_thread::sleep_for(std::min(pause, kLongestPause));
}

bool is_temporary(long status) { return status == 408 || status == 429 || status >= 500; }

std::string header(const Response& response, const std::string& name) {
  const auto found = response.headers.find(name);
  return found == response.headers.end() ? "" : found->second;
}

std::optional<u64> parse_number(std::string_view text) {
  u64 value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string printable(std::string_view text, size_t most) {
  std::string out;
  for (const char c : text.substr(0, most)) out += static_cast<u8>(c) < 0x20 || c == 0x7F ? ' ' : c;
  return out;
}

// In one header, since some proxies keep only one.
std::string accept_manifests() {
  std::string out = "Accept: ";
  for (const std::string_view type : {media::kIndex, media::kManifest, media::kDockerIndex, media::kDockerManifest})
    out += (out.ends_with(' ') ? "" : ", ") + std::string(type);
  return out;
}

// What the registry says is wrong (distribution specification, Error Codes); empty when it says nothing.
std::string said_by(const Response& response) {
  const auto value = json::parse(response.body);
  if (!value) return {};
  const json::Value* errors = value->find("errors");
  if (!errors || errors->items().empty()) return printable(value->text_at({"details"}), 300);
  const json::Value& first = errors->items()[0];
  const std::string_view message = first.text_at({"message"});
  return printable(message.empty() ? first.text_at({"code"}) : message, 300);
}

// The files of a folder like /etc/docker/certs.d/HOST that end in `suffix`.
std::vector<std::string> files_in(const std::string& folder, std::string_view suffix) {
  std::vector<std::string> out;
  DIR* open = opendir(folder.c_str());
  if (!open) return out;
  while (const dirent* entry = readdir(open)) {
    if (std::string_view(entry->d_name).ends_with(suffix)) out.push_back(folder + "/" + entry->d_name);
  }
  closedir(open);
  std::ranges::sort(out);
  return out;
}

}  // namespace

Registry::Registry(const Reference& reference, Access access, const RegistryOptions& options)
    : reference_(reference), access_(access), options_(options), credentials_(options.credentials) {
  http_.verify = options.tls_verify;
  http_.plain = !options.tls_verify;
  http_.ca_file = options.ca_file;
  for (const char* place : {"/etc/containers/certs.d/", "/etc/docker/certs.d/"}) {
    const std::string folder = place + reference.registry;
    if (const auto found = files_in(folder, ".crt"); http_.ca_file.empty() && !found.empty()) http_.ca_file = found[0];
    const auto certificates = files_in(folder, ".cert");
    if (!http_.client_certificate.empty() || certificates.empty()) continue;
    http_.client_certificate = certificates[0];
    http_.client_key = certificates[0].substr(0, certificates[0].size() - 5) + ".key";
  }
}

Result<std::unique_ptr<Registry>> Registry::open(const Reference& reference, Access access,
                                                 const RegistryOptions& options) {
  if (reference.is_local()) {
    return problem(reference.to_string() + " names no registry", "write it in front, as in registry.example/" +
                                                                     reference.repository +
                                                                     "; `berth image tag` gives an image another name");
  }
  if (!options.ca_file.empty() && ::access(options.ca_file.c_str(), R_OK) != 0)
    return problem("cannot read " + options.ca_file + ": " + std::strerror(errno));
  std::unique_ptr<Registry> registry(new Registry(reference, access, options));
  TRY(registry->find_scheme());
  return registry;
}

HttpClient& Registry::client() {
  const std::lock_guard lock(mutex_);
  auto& client = clients_[std::this_thread::get_id()];
  if (!client) client = std::make_unique<HttpClient>(http_);
  return *client;
}

Error Registry::unreachable(const HttpFailure& failure) const {
  const std::string& host = reference_.registry;
  std::string hint;
  if (failure.kind == HttpFailure::Kind::Connect) {
    hint = "is the name right, is the registry running, and does this machine reach it (also see $https_proxy)?";
  } else if (failure.looks_plain) {
    hint = "it seems to speak plain HTTP; --tls-verify=false allows that, which is for networks of your own only";
  } else if (failure.kind == HttpFailure::Kind::Tls) {
    hint = "--ca-file names the authority that signed its certificate (or put it into /etc/containers/certs.d/" + host +
           "/ca.crt); --tls-verify=false does without, on networks of your own";
  } else {
    hint = "try again; what has come already is kept";
  }
  return problem("cannot reach " + host + ": " + failure.what, hint).error();
}

Result<> Registry::find_scheme() {
  const std::string host = reference_.registry == "docker.io" ? "registry-1.docker.io" : reference_.registry;
  base_ = "https://" + host;
  std::expected<Response, HttpFailure> answer;
  for (int attempt = 1;; ++attempt) {
    Request ping{.url = base_ + "/v2/"};
    answer = client().perform(ping);
    const bool no_tls =
        !answer && http_.plain && base_.starts_with("https") &&
        (answer.error().kind == HttpFailure::Kind::Tls || answer.error().kind == HttpFailure::Kind::Interrupted);
    if (no_tls) {
      base_ = "http://" + host;
      continue;
    }
    if (answer ? !is_temporary(answer->status) : answer.error().kind == HttpFailure::Kind::Tls) break;
    if (attempt >= (answer ? kMostTries : kConnectTries)) break;
    pause_before(attempt, answer ? header(*answer, "retry-after") : "");
  }
  if (!answer) return fail(unreachable(answer.error()));
  if (answer->status == 401) {
    TRY(authorize(*answer));
  } else if (answer->status != 200) {
    return fail(refusal(*answer, "cannot use"));
  }
  return {};
}

std::optional<std::string> Registry::authorization() const {
  const std::lock_guard lock(mutex_);
  if (authorization_.empty()) return std::nullopt;
  return authorization_;
}

Result<> Registry::load_credentials() {
  if (has_looked_) return {};
  has_looked_ = true;
  if (credentials_) {
    credentials_source_ = "what was given";
    return {};
  }
  if (auto found = TRY(find_credentials(reference_, options_.auth_file))) {
    credentials_ = std::move(found->credentials);
    credentials_source_ = std::move(found->source);
  }
  return {};
}

// Gets what the challenges of an answer ask for; false when there is nothing to answer them with.
Result<bool> Registry::authorize(const Response& refused) {
  const std::lock_guard lock(mutex_);
  TRY(load_credentials());
  for (const Challenge& challenge : parse_challenges(header(refused, "www-authenticate"))) {
    const auto realm = challenge.parameters.find("realm");
    if (challenge.scheme == "bearer" && realm != challenge.parameters.end()) {
      authorization_ = "Authorization: Bearer " + TRY(fetch_token(realm->second, challenge.parameters));
      ++generation_;
      return true;
    }
    if (challenge.scheme == "basic" && credentials_ && !credentials_->user.empty()) {
      std::string value = "Authorization: Basic " + to_base64(credentials_->user + ":" + credentials_->password);
      if (value == authorization_) return false;
      authorization_ = std::move(value);
      ++generation_;
      return true;
    }
  }
  return false;
}

Result<std::string> Registry::fetch_token(const std::string& realm,
                                          const std::map<std::string, std::string>& parameters) {
  const std::string origin = origin_of(realm);
  const std::string named =
      "the token server of " + reference_.registry + ", " + (origin.empty() ? "(no URL)" : origin);
  if (!origin.starts_with("https://") && !(http_.plain && origin.starts_with("http://")))
    return problem(named + ", does not use TLS; credentials are not sent there");
  std::vector<std::string> scopes = {"repository:" + reference_.repository +
                                     (access_ == Access::Push ? ":pull,push" : ":pull")};
  scopes.insert(scopes.end(), more_scopes_.begin(), more_scopes_.end());
  std::string query;
  auto add = [&](std::string_view name, std::string_view value) {
    query += (query.empty() ? "" : "&") + std::string(name) + "=" + url_encode(value);
  };
  if (const auto service = parameters.find("service"); service != parameters.end()) add("service", service->second);
  Request request{.url = realm};
  HttpClient client(http_);
  std::expected<Response, HttpFailure> answer;
  for (int attempt = 1;; ++attempt) {
    if (credentials_ && !credentials_->identity_token.empty()) {
      if (attempt == 1) {
        add("grant_type", "refresh_token");
        add("client_id", "berth");
        std::string all;
        for (const std::string& scope : scopes) all += (all.empty() ? "" : " ") + scope;
        add("scope", all);
        add("refresh_token", credentials_->identity_token);
        request.method = "POST";
        request.headers = {"Content-Type: application/x-www-form-urlencoded"};
        request.body = query;
      }
    } else if (attempt == 1) {
      for (const std::string& scope : scopes) add("scope", scope);
      if (credentials_) {
        add("account", credentials_->user);
        request.headers = {"Authorization: Basic " + to_base64(credentials_->user + ":" + credentials_->password)};
      }
      request.url += (realm.find('?') == std::string::npos ? "?" : "&") + query;
    }
    answer = client.perform(request);
    if (answer ? !is_temporary(answer->status) : answer.error().kind == HttpFailure::Kind::Tls) break;
    if (attempt == kConnectTries) break;
    pause_before(attempt, answer ? header(*answer, "retry-after") : "");
  }
  if (!answer) return problem("cannot reach " + named + ": " + answer.error().what);
  if (answer->status == 401 || answer->status == 403) {
    if (credentials_)
      return problem(reference_.registry + " refuses the credentials from " + credentials_source_,
                     "`berth image login " + reference_.registry + "` takes new ones");
    return problem(reference_.registry + " does not give " + reference_.repository + " to everybody",
                   "`berth image login " + reference_.registry + "` says who you are");
  }
  const auto value = json::parse(answer->body);
  if (answer->status != 200 || !value)
    return problem(named + ", answered " + std::to_string(answer->status) + (value ? "" : " with no token"));
  std::string_view token = value->text_at({"token"});
  if (token.empty()) token = value->text_at({"access_token"});
  // It becomes a part of a header.
  if (token.empty() || std::ranges::any_of(token, [](char c) { return c <= ' ' || c == 0x7F; }))
    return problem(named + ", answered without a token");
  return std::string(token);
}

std::expected<Response, HttpFailure> Registry::perform(const Request& request) {
  Request authorized = request;
  // Uploads may lead elsewhere, where credentials do not belong.
  if (const auto value = authorization(); value && origin_of(request.url) == origin_of(base_))
    authorized.headers.push_back(*value);
  return client().perform(authorized);
}

// An answer that is no reason to try again. `what` is for messages: "cannot pull".
Result<Response> Registry::request(Request request, const std::string& what) {
  bool authorized_anew = false;
  for (int attempt = 1;; ++attempt) {
    u64 generation = 0;
    {
      const std::lock_guard lock(mutex_);
      generation = generation_;
    }
    auto answer = perform(request);
    if (answer && answer->status == 401 && !authorized_anew) {
      authorized_anew = true;
      bool again = false;
      {
        const std::lock_guard lock(mutex_);
        again = generation_ != generation;  // another thread has got a token meanwhile
      }
      if (!again) again = TRY(authorize(*answer));
      if (again) {
        attempt = 0;
        continue;
      }
    }
    if (answer && !is_temporary(answer->status)) return std::move(*answer);
    if (!answer && answer.error().kind == HttpFailure::Kind::Sink && answer.error().error)
      return fail(std::move(*answer.error().error));
    const bool hopeless = !answer && answer.error().kind == HttpFailure::Kind::Tls;
    const int most = answer || answer.error().kind != HttpFailure::Kind::Connect ? kMostTries : kConnectTries;
    if (hopeless || attempt >= most) {
      if (!answer) return fail(unreachable(answer.error()));
      return fail(refusal(*answer, what));
    }
    pause_before(attempt, answer ? header(*answer, "retry-after") : "");
  }
}

Error Registry::refusal(const Response& response, const std::string& what) const {
  const std::string& host = reference_.registry;
  const std::string name = reference_.name();
  const std::string said = said_by(response);
  const std::string because = said.empty() ? "" : ": " + said;
  const bool known = credentials_.has_value();
  const std::string login = "`berth image login " + host + "` says who you are";
  switch (response.status) {
    case 401:
      if (known)
        return problem(what + " " + name + ": " + host + " refuses the credentials from " + credentials_source_,
                       "`berth image login " + host + "` takes new ones")
            .error();
      return problem(what + " " + name + ": " + host + " asks who you are", login).error();
    case 403:
      return problem(what + " " + name + ": " + host + " does not allow it" + because,
                     known ? "the credentials are those from " + credentials_source_ : login)
          .error();
    case 404:
      return problem(what + " " + name + ": " + host + " does not have it" + because, "is the name right?").error();
    case 405:
      return problem(what + " " + name + ": " + host + " does not allow it" + because, "the registry may be read-only")
          .error();
    case 413:
      return problem(what + " " + name + ": " + host + " takes no request of that size",
                     "--chunk-size 16MiB sends pieces")
          .error();
    case 429:
      return problem(what + " " + name + ": " + host + " says there were too many requests" + because,
                     known ? "wait a while" : "wait a while, or log in: " + login)
          .error();
    default:
      return problem(what + " " + name + ": " + host + " answered " + std::to_string(response.status) + because,
                     response.status >= 500 ? "the registry has a problem; try again later" : "")
          .error();
  }
}

Result<> Registry::check_login() {
  const Response response = TRY(request({.url = base_ + "/v2/"}, "cannot log in to"));
  if (response.status != 200) return fail(refusal(response, "cannot log in to"));
  return {};
}

Result<std::optional<FetchedManifest>> Registry::find_manifest(const std::string& target) {
  Request get{.url = url("/manifests/" + target), .most_body = kMostManifest};
  get.headers = {accept_manifests()};
  Response response = TRY(request(std::move(get), "cannot pull"));
  if (response.status == 404) return std::nullopt;
  if (response.status != 200) return fail(refusal(response, "cannot pull"));
  std::string type = header(response, "content-type");
  type = type.substr(0, type.find_first_of("; "));
  const auto wanted = parse_digest(target);
  const auto told = parse_digest(header(response, "docker-content-digest"));
  const Algorithm algorithm = wanted ? wanted->algorithm : Algorithm::Sha256;
  const Digest digest = digest_of(response.body, algorithm);
  const bool told_wrong = !wanted && told && told->algorithm == algorithm && *told != digest;
  if ((wanted && *wanted != digest) || told_wrong) {
    return problem("the manifest " + target + " of " + reference_.name() + " is not what it should be: its digest is " +
                       digest.to_string() + ", not " + (wanted ? *wanted : *told).to_string(),
                   "somebody changed it on the way or in the registry: do not use this image before you know who");
  }
  const auto parsed = parse_manifest(response.body, type);
  if (!parsed) return problem(reference_.name() + ":" + target + ": " + parsed.error().detail());
  const std::string& own = std::visit([](const auto& m) -> const std::string& { return m.media_type; }, *parsed);
  Descriptor descriptor{own, digest, response.body.size(), {}, {}};
  return FetchedManifest{std::move(response.body), std::move(descriptor)};
}

Result<FetchedManifest> Registry::manifest(const std::string& target) {
  auto found = TRY(find_manifest(target));
  if (!found) {
    const bool is_tag = target.find(':') == std::string::npos;
    return problem("there is no " + reference_.name() + (is_tag ? ":" : "@") + target + " in the registry",
                   "are name and tag right?");
  }
  return std::move(*found);
}

Result<bool> Registry::has_manifest(const Digest& digest) {
  Request head{.method = "HEAD", .url = url("/manifests/" + digest.to_string())};
  head.headers = {accept_manifests()};
  return TRY(request(std::move(head), "cannot look for")).status == 200;
}

Result<> Registry::put_manifest(const std::string& target, const std::string& text, const std::string& media_type) {
  Request put{
      .method = "PUT", .url = url("/manifests/" + target), .headers = {"Content-Type: " + media_type}, .body = text};
  const Response response = TRY(request(std::move(put), "cannot push"));
  if (response.status != 201 && response.status != 200 && response.status != 202)
    return fail(refusal(response, "cannot push"));
  return {};
}

Result<> Registry::get_blob(const Descriptor& descriptor, BlobWriter& writer, const Progress& progress) {
  const std::string what = "cannot pull a layer of";
  int tries = 0;
  bool resumed = writer.size() != 0;
  if (progress) progress(writer.size());
  while (writer.size() != descriptor.size) {
    const u64 before = writer.size();
    resumed = resumed || before != 0;
    bool first = true;
    Request get{.url = url("/blobs/" + descriptor.digest.to_string())};
    if (before != 0) get.headers.push_back("Range: bytes=" + std::to_string(before) + "-");
    get.sink = [&](long status, const std::map<std::string, std::string>& headers, std::string_view piece) -> Result<> {
      if (first) {
        first = false;
        const auto range = headers.find("content-range");
        const std::string expected = "bytes " + std::to_string(writer.size()) + "-";
        const bool continues = status == 206 && range != headers.end() && range->second.starts_with(expected);
        if (writer.size() != 0 && !continues) TRY(writer.restart());
        if (status == 206 && !continues)
          return problem(reference_.registry + " sent another part of a layer than asked for");
      }
      TRY(writer.write(piece));
      if (progress) progress(writer.size());
      return {};
    };
    // `request` would not notice how much has come: it is tried again here.
    auto answer = perform(get);
    if (answer && answer->status == 401) {
      if (++tries > 2 || !TRY(authorize(*answer))) return fail(refusal(*answer, what));
      continue;
    }
    if (answer && answer->status == 416) TRY(writer.restart());
    const bool refused = answer && answer->status != 200 && answer->status != 206 && answer->status != 416;
    if (refused && !is_temporary(answer->status)) return fail(refusal(*answer, what));
    if (!answer && answer.error().error) return fail(std::move(*answer.error().error));
    if (!answer && answer.error().kind == HttpFailure::Kind::Tls) return fail(unreachable(answer.error()));
    if (writer.size() == descriptor.size) break;
    if (writer.size() > before) tries = 0;
    const int most = !answer && answer.error().kind == HttpFailure::Kind::Connect ? kConnectTries : kMostTries;
    if (++tries >= most) {
      if (!answer) return fail(unreachable(answer.error()));
      if (refused) return fail(refusal(*answer, what));
      return problem(reference_.registry + " ends a layer of " + reference_.name() + " after " +
                         std::to_string(writer.size()) + " of " + std::to_string(descriptor.size) + " bytes",
                     "try again; what has come already is kept");
    }
    pause_before(tries, answer ? header(*answer, "retry-after") : "");
  }
  auto done = writer.finish();
  if (done || !resumed) return done;
  // What was continued may have been the start of something else.
  writer = TRY(BlobWriter::open(writer.store(), descriptor));
  TRY(writer.restart());
  return get_blob(descriptor, writer, progress);
}

Result<std::string> Registry::small_blob(const Descriptor& descriptor) {
  Request get{.url = url("/blobs/" + descriptor.digest.to_string()), .most_body = descriptor.size};
  Response response = TRY(request(std::move(get), "cannot pull"));
  if (response.status != 200) return fail(refusal(response, "cannot pull"));
  if (digest_of(response.body, descriptor.digest.algorithm) != descriptor.digest)
    return problem(
        "the blob " + descriptor.digest.to_string() + " of " + reference_.name() + " is not what it should be",
        "somebody changed it on the way or in the registry");
  return std::move(response.body);
}

Result<bool> Registry::has_blob(const Digest& digest) {
  Request head{.method = "HEAD", .url = url("/blobs/" + digest.to_string())};
  return TRY(request(std::move(head), "cannot push")).status == 200;
}

std::string Registry::absolute(const std::string& location) const {
  if (location.find("://") != std::string::npos) return location;
  return base_ + (location.starts_with('/') ? "" : "/") + location;
}

// Where to upload to; empty when the registry has the blob already.
Result<std::string> Registry::start_upload(const std::string& query) {
  const Response response = TRY(
      request({.method = "POST", .url = url("/blobs/uploads/") + query, .body = std::string_view()}, "cannot push"));
  if (response.status == 201) return std::string();
  if (response.status != 202) return fail(refusal(response, "cannot push"));
  const std::string location = absolute(header(response, "location"));
  if (location.starts_with("http://") && !http_.plain)
    return problem(reference_.registry + " wants uploads without TLS", "--tls-verify=false allows that");
  return location;
}

Result<bool> Registry::mount_blob(const Digest& digest, const std::string& from_repository) {
  const std::string scope = "repository:" + from_repository + ":pull";
  // A token for both repositories is needed.
  auto change_scopes = [&](bool add) {
    const std::lock_guard lock(mutex_);
    const bool has = std::ranges::find(more_scopes_, scope) != more_scopes_.end();
    if (has == add) return;
    if (add) {
      more_scopes_.push_back(scope);
    } else {
      std::erase(more_scopes_, scope);
    }
    if (authorization_.starts_with("Authorization: Bearer")) authorization_.clear();
  };
  change_scopes(true);
  auto location = start_upload("?mount=" + url_encode(digest.to_string()) + "&from=" + url_encode(from_repository));
  if (!location) {
    change_scopes(false);
    return fail(std::move(location).error());
  }
  if (location->empty()) return true;
  // It has opened an upload instead, which nobody will use.
  (void)perform({.method = "DELETE", .url = *location});
  return false;
}

Result<Response> Registry::put_whole(const Descriptor& descriptor, int file, const Progress& progress) {
  for (int attempt = 1;; ++attempt) {
    const std::string location = TRY(start_upload(""));
    if (location.empty()) return Response{.status = 201};
    const std::string separator = location.find('?') == std::string::npos ? "?" : "&";
    const Request put{.method = "PUT",
                      .url = location + separator + "digest=" + url_encode(descriptor.digest.to_string()),
                      .headers = {"Content-Type: application/octet-stream"},
                      .upload_file = file,
                      .upload_size = descriptor.size,
                      .sent = progress};
    auto answer = perform(put);
    if (answer && answer->status == 401 && attempt == 1 && TRY(authorize(*answer))) continue;
    if (answer && !is_temporary(answer->status)) return std::move(*answer);
    if (attempt >= kMostTries) {
      if (!answer) return fail(unreachable(answer.error()));
      return std::move(*answer);
    }
    pause_before(attempt, answer ? header(*answer, "retry-after") : "");
  }
}

// A piece after the other; where one is interrupted, the registry says how far it has come.
Result<Response> Registry::put_chunks(const Descriptor& descriptor, int file, u64 chunk, const Progress& progress) {
  std::string location = TRY(start_upload(""));
  if (location.empty()) return Response{.status = 201};
  u64 at = 0;
  for (int tries = 0; at < descriptor.size;) {
    const u64 size = std::min(chunk, descriptor.size - at);
    const Request patch{.method = "PATCH",
                        .url = location,
                        .headers = {"Content-Type: application/octet-stream",
                                    "Content-Range: " + std::to_string(at) + "-" + std::to_string(at + size - 1)},
                        .upload_file = file,
                        .upload_offset = at,
                        .upload_size = size,
                        .sent = [&](u64 sent) {
                          if (progress) progress(at + sent);
                        }};
    auto answer = perform(patch);
    if (answer && (answer->status == 202 || answer->status == 201 || answer->status == 204)) {
      if (const std::string next = header(*answer, "location"); !next.empty()) location = absolute(next);
      at += size;
      tries = 0;
      continue;
    }
    const bool hopeless = answer && answer->status != 416 && !is_temporary(answer->status);
    if (hopeless || ++tries >= kMostTries) {
      if (!answer) return fail(unreachable(answer.error()));
      return std::move(*answer);
    }
    pause_before(tries, answer ? header(*answer, "retry-after") : "");
    const auto status = perform({.url = location});
    if (!status || status->status != 204) continue;
    if (const std::string next = header(*status, "location"); !next.empty()) location = absolute(next);
    const std::string range = header(*status, "range");  // "0-END"
    const auto end = range.starts_with("0-") ? parse_number(std::string_view(range).substr(2)) : std::nullopt;
    // "0-0" may mean one byte or none; registries mean none.
    if (end && *end < descriptor.size) at = *end == 0 ? 0 : *end + 1;
  }
  const std::string separator = location.find('?') == std::string::npos ? "?" : "&";
  return request({.method = "PUT",
                  .url = location + separator + "digest=" + url_encode(descriptor.digest.to_string()),
                  .body = std::string_view()},
                 "cannot push");
}

Result<> Registry::put_blob(const Descriptor& descriptor, int file, const Progress& progress) {
  Response response = options_.chunk_size != 0 ? TRY(put_chunks(descriptor, file, options_.chunk_size, progress))
                                               : TRY(put_whole(descriptor, file, progress));
  if (response.status == 413 && options_.chunk_size == 0)
    response = TRY(put_chunks(descriptor, file, kUsualChunk, progress));
  if (response.status != 201 && response.status != 204) return fail(refusal(response, "cannot push a layer of"));
  return {};
}

}  // namespace berth::oci
