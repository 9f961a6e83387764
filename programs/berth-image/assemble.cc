#include <algorithm>
#include <ctime>

#include "berth-image/plan.h"
#include "oci/component_names.h"
#include "oci/problem.h"
#include "oci/transfer.h"

namespace berth::image {
namespace {

using oci::Descriptor;
using oci::ImageConfig;
using oci::Layer;
using oci::Manifest;
using oci::Store;

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

// How much of the root filesystem the folders come to that are asked for: all of it, what the image itself has of them,
// or only what is mounted.
std::string root_access(const Plan& plan) {
  std::string access = "none";
  for (std::string folder : plan.folders) {
    const bool read_only = folder.ends_with(":ro");
    if (read_only) folder.resize(folder.size() - 3);
    while (folder.ends_with('/')) folder.pop_back();
    if (folder.empty() && !read_only) return "rw";
    const bool has = std::ranges::any_of(
        plan.files, [&](const oci::LayerFile& file) { return file.path.starts_with(folder + "/"); });
    if (folder.empty() || has) access = "ro";
  }
  return access;
}

std::string rfc3339(u64 time) {
  const auto seconds = static_cast<std::time_t>(time);
  std::tm parts{};
  char text[40] = "1970-01-01T00:00:00Z";
  if (gmtime_r(&seconds, &parts)) std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

class Assembler {
 public:
  Assembler(const Store& store, const Plan& plan) : store_(store), plan_(plan) {}

  Result<Descriptor> image();
  Result<Descriptor> artifact();

 private:
  Result<Layer> add(std::vector<oci::LayerFile> files);
  Result<Descriptor> add_text(const std::string& text, std::string_view type) const;
  Result<Descriptor> add_face(const ImageConfig& config, const std::vector<const Layer*>& layers,
                              const oci::Annotations& more) const;
  Result<Descriptor> linux_face(const Machine& machine, const Layer& content);
  ImageConfig base_config(const oci::Platform& platform) const;
  oci::Annotations asks() const;

  const Store& store_;
  const Plan& plan_;
};

Result<Layer> Assembler::add(std::vector<oci::LayerFile> files) {
  Layer layer = TRY(oci::make_layer(std::move(files), plan_.time, plan_.compression));
  TRY(store_.add(layer.bytes, layer.descriptor.digest));
  return layer;
}

Result<Descriptor> Assembler::add_text(const std::string& text, std::string_view type) const {
  Descriptor descriptor = oci::describe(text, type);
  TRY(store_.add(text, descriptor.digest));
  return descriptor;
}

oci::Annotations Assembler::asks() const {
  oci::Annotations out = {{kLabelModule, plan_.entry}};
  if (!plan_.folders.empty()) {
    out[kLabelFolders] = joined(plan_.folders, " ");
    out[kAskRoot] = root_access(plan_);
  }
  if (!plan_.listen.empty()) out[kAskListen] = joined(plan_.listen, ",");
  return out;
}

ImageConfig Assembler::base_config(const oci::Platform& platform) const {
  ImageConfig config;
  config.platform = platform;
  config.created = rfc3339(plan_.time);
  config.author = plan_.author;
  config.entrypoint = {plan_.entry};
  config.command = plan_.arguments;
  config.environment = plan_.environment;
  if (!plan_.folders.empty()) config.environment.push_back(kVariableRoot + ("=" + root_access(plan_)));
  if (!plan_.listen.empty()) config.environment.push_back(kVariableListen + ("=" + joined(plan_.listen, ",")));
  config.user = plan_.user;
  config.working_folder = plan_.working_folder.empty() ? "/" : plan_.working_folder;
  config.labels = plan_.labels;
  config.labels.merge(asks());
  for (const std::string& address : plan_.listen)
    config.exposed_ports.push_back(address.substr(address.rfind(':') + 1) + "/tcp");
  return config;
}

Result<Descriptor> Assembler::add_face(const ImageConfig& config, const std::vector<const Layer*>& layers,
                                       const oci::Annotations& more) const {
  Manifest manifest;
  manifest.media_type = oci::media::kManifest;
  manifest.config = TRY(add_text(to_text(config), oci::media::kConfig));
  for (const Layer* layer : layers) manifest.layers.push_back(layer->descriptor);
  manifest.annotations = plan_.annotations;
  oci::Annotations all = more;
  all.merge(asks());
  manifest.annotations.merge(all);
  Descriptor face = TRY(add_text(to_text(manifest), oci::media::kManifest));
  face.platform = config.platform;
  return face;
}

Result<Descriptor> Assembler::linux_face(const Machine& machine, const Layer& content) {
  ImageConfig config = base_config({"linux", machine.architecture, ""});
  std::vector<Layer> own;
  if (machine.launcher.empty()) {
    config.labels[kLabelNeeds] = "berth";
    config.diff_ids = {content.diff_id};
    config.history = {"berth image build: module and files"};
    return add_face(config, {&content}, {{kLabelNeeds, "berth"}});
  }
  // First, since all images have it, and a layer is unpacked once for each chain of those below it.
  own.push_back(TRY(add({{kLauncher, machine.launcher, 0755, {}}})));
  config.diff_ids = {own[0].diff_id, content.diff_id};
  config.history = {"berth image build: berth", "berth image build: module and files"};
  config.entrypoint = {kLauncher, "run", "--inherit-env"};
  const std::vector<std::string> everything = {"/"};
  for (const std::string& folder : plan_.folders.empty() ? everything : plan_.folders)
    config.entrypoint.insert(config.entrypoint.end(), {"--dir", folder});
  for (const std::string& address : plan_.listen)
    config.entrypoint.insert(config.entrypoint.end(), {"--tcp-listen", address});
  oci::Annotations more;
  if (!machine.native_code.empty()) {
    own.push_back(TRY(add({{kNativeCode, machine.native_code, 0644, {}}})));
    config.diff_ids.push_back(own[1].diff_id);
    config.history.emplace_back("berth image build: native code");
    config.entrypoint.insert(config.entrypoint.end(), {"--artifact", kNativeCode});
    config.labels[kLabelNative] = machine.native_for;
    more[kLabelNative] = machine.native_for;
  }
  // The name under which berth-oci starts it, too.
  config.entrypoint.insert(config.entrypoint.end(), {"--argv0", plan_.entry, "--", plan_.entry});
  std::vector<const Layer*> layers = {&own[0], &content};
  if (own.size() > 1) layers.push_back(&own[1]);
  return add_face(config, layers, more);
}

Result<Descriptor> Assembler::image() {
  std::vector<oci::LayerFile> files = plan_.modules;
  files.insert(files.end(), plan_.files.begin(), plan_.files.end());
  const Layer content = TRY(add(std::move(files)));
  oci::Index index;
  index.media_type = oci::media::kIndex;
  index.annotations = plan_.annotations;
  for (const Machine& machine : plan_.machines) index.manifests.push_back(TRY(linux_face(machine, content)));
  ImageConfig config = base_config({std::string(oci::kWasmOs), std::string(oci::kWasmArchitecture), ""});
  config.diff_ids = {content.diff_id};
  config.history = {"berth image build: module and files"};
  // So that crun with a runtime for WebAssembly takes it for what it is.
  index.manifests.push_back(TRY(add_face(config, {&content}, {{"module.wasm.image/variant", "compat"}})));
  return add_text(to_text(index), oci::media::kIndex);
}

// The CNCF's artifact: one layer, which is the module itself.
Result<Descriptor> Assembler::artifact() {
  const std::string& module = plan_.modules.front().contents;
  const bool is_component = oci::is_component(module);
  const Descriptor layer = TRY(add_text(module, oci::media::kWasm));
  json::Value config = json::Object();
  config.set("created", rfc3339(plan_.time));
  if (!plan_.author.empty()) config.set("author", plan_.author);
  config.set("architecture", "wasm");
  config.set("os", is_component ? "wasip2" : "wasip1");
  config.set("layerDigests", json::Array()).append(layer.digest.to_string());
  if (is_component) {
    const auto names = TRY(oci::component_names(module));
    json::Value& about = config.object_at("component");
    json::Value& exports = about.set("exports", json::Array());
    for (const std::string& name : names.exports) exports.append(name);
    json::Value& imports = about.set("imports", json::Array());
    for (const std::string& name : names.imports) imports.append(name);
  }
  Manifest manifest;
  manifest.media_type = oci::media::kManifest;
  manifest.config = TRY(add_text(json::to_text(config), oci::media::kWasmConfig));
  manifest.layers = {layer};
  manifest.annotations = plan_.annotations;
  manifest.annotations.emplace("org.opencontainers.image.title", plan_.entry.substr(1));
  return add_text(to_text(manifest), oci::media::kManifest);
}

}  // namespace

Result<Descriptor> assemble(const Store& store, const Plan& plan) {
  Assembler assembler(store, plan);
  Descriptor descriptor = plan.is_artifact ? TRY(assembler.artifact()) : TRY(assembler.image());
  for (const std::string& name : plan.names) TRY(store.set_name(name, descriptor));
  return descriptor;
}

}  // namespace berth::image
