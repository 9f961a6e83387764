#include "oci/credentials.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "json/json.h"
#include "oci/problem.h"
#include "oci/store.h"
#include "os/file.h"

namespace berth::oci {
namespace {

using json::Value;

constexpr u64 kMostAuthFile = u64{4} << 20;
constexpr size_t kMostAnswer = 64 * 1024;
constexpr std::string_view kDockerHub = "https://index.docker.io/v1/";
// What helpers call a user whose secret is an identity token.
constexpr std::string_view kTokenUser = "<token>";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string default_auth_file() {
  const std::string runtime = variable("XDG_RUNTIME_DIR");
  const std::string folder = runtime.empty() ? "/run/containers/" + std::to_string(getuid()) : runtime + "/containers";
  return folder + "/auth.json";
}

std::string file_to_write(const std::string& named) {
  if (!named.empty()) return named;
  const std::string file = variable("REGISTRY_AUTH_FILE");
  return file.empty() ? default_auth_file() : file;
}

// Nothing when there is no such file.
Result<std::optional<Value>> read_auth_file(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  auto bytes = os::read_file(path, kMostAuthFile);
  if (!bytes) return problem(bytes.error().to_string(), "--authfile names another file of credentials");
  auto value = json::parse({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (!value || !value->is(json::Kind::Object))
    return problem(path + " is no file of credentials: " + (value ? "it is no object" : value.error().detail()),
                   "--authfile names another file");
  return std::move(*value);
}

Result<> write_auth_file(const std::string& path, const Value& value) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    mkdir(path.substr(0, slash).c_str(), 0700);
  const std::string text = json::to_text(value, 2) + "\n";
  auto done = os::replace_file(path, {reinterpret_cast<const u8*>(text.data()), text.size()}, 0600);
  if (!done) return problem(done.error().to_string());
  return {};
}

// "https://host/v1/" as docker once wrote it means "host".
std::string_view plain_key(std::string_view key) {
  if (key == kDockerHub) return "docker.io";
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (key.starts_with(scheme)) {
      key.remove_prefix(scheme.size());
      return key.substr(0, key.find('/'));
    }
  }
  return key == "index.docker.io" || key == "registry-1.docker.io" ? "docker.io" : key;
}

std::optional<Credentials> credentials_in(const Value& entry) {
  Credentials out;
  if (const auto decoded = from_base64(entry.text_at({"auth"})); decoded && decoded->find(':') != std::string::npos) {
    out.user = decoded->substr(0, decoded->find(':'));
    out.password = decoded->substr(decoded->find(':') + 1);
    // Docker's own helper pads with zeros.
    while (out.password.ends_with('\0')) out.password.pop_back();
  }
  if (const auto user = entry.text_at({"username"}); !user.empty()) out.user = user;
  if (const auto password = entry.text_at({"password"}); !password.empty()) out.password = password;
  out.identity_token = entry.text_at({"identitytoken"});
  if (out.user.empty() && out.identity_token.empty()) return std::nullopt;
  return out;
}

bool is_helper_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<u8>(c)) || c == '-' || c == '_' || c == '.';
  });
}

// Runs docker-credential-NAME get; nothing when it knows of none.
Result<std::optional<Credentials>> ask_helper(std::string_view name, std::string_view server) {
  if (!is_helper_name(name)) return problem("\"" + std::string(name) + "\" is no name of a credential helper");
  std::string program = "docker-credential-" + std::string(name), get = "get";
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return problem("cannot run " + program + ": " + std::strerror(errno));
  const File in_read(in[0]);
  File in_write(in[1]);
  if (pipe2(out, O_CLOEXEC) != 0) return problem("cannot run " + program + ": " + std::strerror(errno));
  const File out_read(out[0]);
  File out_write(out[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in_read.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out_write.get(), 1);
  char* words[] = {program.data(), get.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, program.c_str(), &actions, nullptr, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return problem("cannot run the credential helper " + program + ": " + std::strerror(error),
                   "install it, or take it out of the file that names it");
  const std::string question = std::string(server) + "\n";
  const ssize_t written = write(in_write.get(), question.data(), question.size());
  in_write = File();
  out_write = File();
  std::string answer;
  char buffer[4096];
  while (answer.size() < kMostAnswer) {
    const ssize_t n = read(out_read.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    answer.append(buffer, static_cast<size_t>(n));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (answer.find("credentials not found") != std::string::npos) return std::nullopt;
  const auto value = json::parse(answer);
  if (status != 0 || !value || written < 0) {
    const std::string said = answer.substr(0, std::min<size_t>(answer.find('\n'), 200));
    return problem("the credential helper " + program + " failed" + (status != 0 && !said.empty() ? ": " + said : ""));
  }
  Credentials credentials{std::string(value->text_at({"Username"})), std::string(value->text_at({"Secret"})), {}};
  if (credentials.user == kTokenUser) credentials = {{}, {}, credentials.password};
  if (credentials.user.empty() && credentials.identity_token.empty()) return std::nullopt;
  return credentials;
}

Result<std::optional<Found>> find_in(const Value& file, const std::string& path, const Reference& reference) {
  const std::string server(reference.registry == "docker.io" ? kDockerHub : std::string_view(reference.registry));
  if (const auto helper = file.text_at({"credHelpers", reference.registry}); !helper.empty()) {
    if (auto found = TRY(ask_helper(helper, server)))
      return Found{std::move(*found), "docker-credential-" + std::string(helper)};
  }
  if (const Value* auths = file.find("auths")) {
    for (std::string key = reference.name(); !key.empty();) {
      for (const json::Member& member : auths->members()) {
        if (member.name != key && plain_key(member.name) != key) continue;
        if (auto found = credentials_in(member.value)) return Found{std::move(*found), path};
      }
      const size_t slash = key.rfind('/');
      key = slash == std::string::npos ? "" : key.substr(0, slash);
    }
  }
  if (const auto helper = file.text_at({"credsStore"}); !helper.empty()) {
    if (auto found = TRY(ask_helper(helper, server)))
      return Found{std::move(*found), "docker-credential-" + std::string(helper)};
  }
  return std::nullopt;
}

// Several of us may log in at once.
Result<File> lock_beside(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    mkdir(path.substr(0, slash).c_str(), 0700);
  const std::string name = path + ".berth-lock";
  File file(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.is_open() || flock(file.get(), LOCK_EX) != 0)
    return problem("cannot write " + path + ": " + std::strerror(errno), "--authfile names another file");
  return file;
}

}  // namespace

std::vector<std::string> auth_files(const std::string& named) {
  if (!named.empty()) return {named};
  if (std::string file = variable("REGISTRY_AUTH_FILE"); !file.empty()) return {file};
  const std::string home = variable("HOME"), config = variable("XDG_CONFIG_HOME"), docker = variable("DOCKER_CONFIG");
  std::vector<std::string> out = {default_auth_file()};
  if (!config.empty() || !home.empty())
    out.push_back((config.empty() ? home + "/.config" : config) + "/containers/auth.json");
  if (!docker.empty() || !home.empty()) out.push_back((docker.empty() ? home + "/.docker" : docker) + "/config.json");
  return out;
}

Result<std::optional<Found>> find_credentials(const Reference& reference, const std::string& named_file) {
  for (const std::string& path : auth_files(named_file)) {
    const auto file = TRY(read_auth_file(path));
    if (!file) continue;
    if (auto found = TRY(find_in(*file, path, reference))) return found;
  }
  return std::nullopt;
}

Result<std::string> keep_credentials(const std::string& registry, const Credentials& credentials,
                                     const std::string& named_file) {
  std::string path = file_to_write(named_file);
  const File lock = TRY(lock_beside(path));
  Value file = TRY(read_auth_file(path)).value_or(json::Object());
  Value entry = json::Object();
  entry.set("auth", to_base64(credentials.user + ":" + credentials.password));
  file.object_at("auths").set(registry, std::move(entry));
  TRY(write_auth_file(path, file));
  return path;
}

Result<std::vector<std::string>> forget_credentials(const std::string& registry, const std::string& named_file) {
  std::vector<std::string> out;
  for (const std::string& path : auth_files(named_file)) {
    if (access(path.c_str(), F_OK) != 0) continue;
    const File lock = TRY(lock_beside(path));
    auto file = TRY(read_auth_file(path));
    if (!file || !file->find("auths")) continue;
    json::Object& auths = file->find("auths")->edit_members();
    const auto removed = std::erase_if(auths, [&](const json::Member& member) {
      return member.name == registry || plain_key(member.name) == registry;
    });
    if (removed == 0) continue;
    TRY(write_auth_file(path, *file));
    out.push_back(path);
  }
  return out;
}

std::string to_base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    u32 group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (i + j < bytes.size() ? static_cast<u8>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) out += i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  if (text.size() % 4 != 0) return std::nullopt;
  for (size_t i = 0; i < text.size(); i += 4) {
    u32 group = 0;
    size_t padding = 0;
    for (size_t j = 0; j < 4; ++j) {
      const char c = text[i + j];
      u32 digit = 0;
      if (c >= 'A' && c <= 'Z') {
        digit = static_cast<u32>(c - 'A');
      } else if (c >= 'a' && c <= 'z') {
        digit = static_cast<u32>(c - 'a' + 26);
      } else if (c >= '0' && c <= '9') {
        digit = static_cast<u32>(c - '0' + 52);
      } else if (c == '+' || c == '/') {
        digit = c == '+' ? 62 : 63;
      } else if (c == '=' && i + 4 == text.size() && j >= 2) {
        ++padding;
      } else {
        return std::nullopt;
      }
      if (c != '=' && padding != 0) return std::nullopt;
      group = group << 6 | digit;
    }
    for (size_t j = 0; j < 3 - padding; ++j) out += static_cast<char>(group >> (16 - 8 * j) & 255);
  }
  return out;
}

}  // namespace berth::oci
