#include "berth-image/unpacked.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "berth-image/commands.h"
#include "berth-image/plan.h"
#include "berth-image/process.h"
#include "json/json.h"
#include "oci/component_names.h"
#include "oci/layer.h"
#include "oci/problem.h"
#include "oci/transfer.h"
#include "os/file.h"

namespace berth::image {
namespace {

namespace fs = std::filesystem;

std::string unpacked_folder(const oci::Store& store) { return store.folder() + "/unpacked"; }

// Where the entry module is, in an unpacked image; links in it are not followed out of it.
Result<std::string> module_in(const std::string& folder, const Face& face) {
  const std::string entry = entry_module(face.config);
  if (entry.empty() && !face.manifest.is_wasm_artifact())
    return oci::problem("the image starts " +
                            (face.config.entrypoint.empty() ? std::string("nothing") : face.config.entrypoint[0]) +
                            ", which is no module",
                        "it is an ordinary container image; a container engine runs it");
  std::string path = folder + (face.manifest.is_wasm_artifact() ? "/module.wasm" : entry);
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  const fs::path root = fs::canonical(folder, error);
  if (error || !real.string().starts_with(root.string() + "/"))
    return oci::problem("the image says that it starts " + entry + ", but does not have it");
  return real.string();
}

Result<> fill(const oci::Store& store, const Face& face, const std::string& folder) {
  const auto& layers = face.manifest.layers;
  if (face.manifest.is_wasm_artifact()) {
    if (layers.size() != 1 || layers[0].media_type != oci::media::kWasm)
      return oci::problem("the artifact does not have the one layer of application/wasm that it should have");
    const std::string module = TRY(store.read(layers[0], u64{2} << 30));
    return os::replace_file(folder + "/module.wasm", {reinterpret_cast<const u8*>(module.data()), module.size()}, 0644);
  }
  const auto& ids = face.config.diff_ids;
  if (ids.size() != layers.size()) return oci::problem("the image names another number of layers than it has");
  for (size_t i = 0; i < layers.size(); ++i) TRY(oci::unpack(store, layers[i], &ids[i], folder));
  return {};
}

}  // namespace

std::string entry_module(const oci::ImageConfig& config) {
  std::vector<std::string> words = config.entrypoint;
  words.insert(words.end(), config.command.begin(), config.command.end());
  if (words.empty()) return {};
  std::string entry = words[0];
  if (entry == kLauncher) {
    const auto dashes = std::ranges::find(words, "--");
    if (dashes == words.end() || dashes + 1 == words.end()) return {};
    entry = dashes[1];
  }
  if (!entry.ends_with(".wasm") && !entry.ends_with(".wat") && !oci::is_wasm(config.platform)) return {};
  return (entry.starts_with('/') ? "" : "/") + entry;
}

Result<Face> find_face(const oci::Store& store, const oci::Descriptor& image,
                       const std::optional<oci::Platform>& platform) {
  Face face{image, {}, {}};
  auto parsed = TRY(store.read_manifest(image));
  if (const auto* index = std::get_if<oci::Index>(&parsed)) {
    oci::Index here = *index;
    std::erase_if(here.manifests, [&](const oci::Descriptor& child) { return !store.has(child); });
    const auto selected = oci::select(here, {platform, false});
    if (selected.empty())
      return oci::problem("there is no image for " + platform.value_or(oci::host_platform()).to_string() + " here",
                          "--platform chooses another; `berth image pull --platform` gets more");
    face.descriptor = selected[0];
    parsed = TRY(store.read_manifest(face.descriptor));
  }
  const auto* manifest = std::get_if<oci::Manifest>(&parsed);
  if (!manifest) return oci::problem("the image is an index within an index");
  face.manifest = *manifest;
  const std::string config = TRY(store.read(manifest->config, oci::kMostConfig));
  auto read = oci::parse_config(config);
  if (!read) return oci::problem(manifest->config.digest.to_string() + ": " + read.error().detail());
  face.config = std::move(*read);
  return face;
}

Result<std::string> unpack_files(const oci::Store& store, const Face& face) {
  const std::string parent = unpacked_folder(store);
  const std::string folder = parent + "/" + face.descriptor.digest.hex;
  if (access(folder.c_str(), F_OK) != 0) {
    mkdir(parent.c_str(), 0755);
    std::string scratch = parent + "/.new-XXXXXX";
    if (!mkdtemp(scratch.data())) return oci::problem("cannot make " + scratch + ": " + std::strerror(errno));
    std::error_code ignored;
    auto done = fill(store, face, scratch);
    if (done && chmod(scratch.c_str(), 0755) != 0) done = oci::problem("cannot change " + scratch);
    // Somebody else may have been quicker.
    const bool placed = done && (rename(scratch.c_str(), folder.c_str()) == 0 || access(folder.c_str(), F_OK) == 0);
    const int error = errno;
    fs::remove_all(scratch, ignored);
    if (!done) return fail(std::move(done).error());
    if (!placed) return oci::problem("cannot make " + folder + ": " + std::strerror(error));
  }
  return folder;
}

Result<Unpacked> unpack_face(const oci::Store& store, const Face& face) {
  const std::string folder = TRY(unpack_files(store, face));
  return Unpacked{folder, TRY(module_in(folder, face))};
}

void remove_unpacked(const oci::Store& store) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(unpacked_folder(store), error)) {
    const std::string name = entry.path().filename().string();
    const oci::Digest digest{oci::Algorithm::Sha256, name};
    if (access(store.blob_path(digest).c_str(), F_OK) != 0) fs::remove_all(entry.path(), error);
  }
}

Result<> compile_modules(const oci::Store& store, const oci::Reference& reference) {
  const oci::Descriptor image = TRY(find_image(store, reference));
  const Face face = TRY(find_face(store, image, {}));
  const Unpacked unpacked = TRY(unpack_face(store, face));
  const std::string berth = TRY(find_program("berth", "BERTH"));
  const Outcome outcome = TRY(run_program({berth, "compile", unpacked.module}));
  if (outcome.exit_code != 0) return oci::problem("cannot compile " + reference.to_string() + ": " + outcome.errors);
  // For containers too, whose code is kept apart; what has just been compiled is taken for it.
  const auto runtime = find_program("berth-oci", "BERTH_OCI");
  if (!runtime) return {};
  const Outcome kept = TRY(run_program({*runtime, "compile", unpacked.module}));
  if (kept.exit_code != 0)
    return oci::problem("cannot compile " + reference.to_string() + " for containers: " + kept.errors);
  return {};
}

namespace {

std::string describe_files(const Face& face, const std::string& folder) {
  auto list = [](const std::vector<std::string>& texts) {
    json::Array out;
    for (const std::string& text : texts) out.emplace_back(text);
    return out;
  };
  const bool is_artifact = face.manifest.is_wasm_artifact();
  json::Value out;
  out.set("digest", face.descriptor.digest.to_string());
  out.set("folder", folder);
  out.set("entrypoint", is_artifact ? list({"/module.wasm"}) : list(face.config.entrypoint));
  out.set("command", list(face.config.command));
  out.set("environment", list(face.config.environment));
  out.set("workingFolder", face.config.working_folder);
  out.set("user", face.config.user);
  return json::to_text(out);
}

}  // namespace

int unpack_command(const Arguments& arguments) {
  auto run = [&]() -> Result<std::string> {
    const oci::Reference reference = TRY(oci::parse_reference(arguments.operands()[0]));
    const oci::Store store = TRY(open_store());
    const oci::Descriptor image = TRY(find_image(store, reference));
    const Face face = TRY(find_face(store, image, {}));
    if (!arguments.has("--json")) return TRY(unpack_face(store, face)).module;
    return describe_files(face, TRY(unpack_files(store, face)));
  };
  const auto module = run();
  if (!module) return report(module.error());
  cli::Output out;
  out << *module << "\n";
  return out.finish(0);
}

int warm_command(const Arguments& arguments) {
  int code = 0;
  for (const std::string_view name : arguments.operands()) {
    auto run = [&]() -> Result<> {
      const oci::Reference reference = TRY(oci::parse_reference(name));
      return compile_modules(TRY(open_store()), reference);
    };
    if (const auto done = run(); !done) code = report(done.error());
  }
  return code;
}

}  // namespace berth::image
