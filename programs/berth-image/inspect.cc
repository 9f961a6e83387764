// berth image inspect

#include <algorithm>
#include <filesystem>

#include "berth-image/commands.h"
#include "berth-image/plan.h"
#include "berth-image/process.h"
#include "berth-image/unpacked.h"
#include "cli/units.h"
#include "json/json.h"
#include "oci/problem.h"
#include "oci/transfer.h"

namespace berth::image {
namespace {

class Inspection {
 public:
  Inspection(oci::Reference reference, std::optional<oci::Platform> platform)
      : reference_(std::move(reference)), platform_(std::move(platform)) {}

  Result<> read();
  std::string text() const;
  json::Value to_json() const;

 private:
  std::vector<std::pair<std::string, std::string>> asks() const;

  const oci::Reference reference_;
  const std::optional<oci::Platform> platform_;
  oci::Descriptor image_;
  std::vector<std::pair<oci::Descriptor, bool>> faces_;  // of an index, and whether they are here
  Face face_;
  Outcome needs_, needs_json_;  // what `berth inspect` says of the module
  std::string why_no_needs_;
};

Result<> Inspection::read() {
  const oci::Store store = TRY(open_store());
  image_ = TRY(find_image(store, reference_));
  const auto parsed = TRY(store.read_manifest(image_));
  if (const auto* index = std::get_if<oci::Index>(&parsed)) {
    for (const oci::Descriptor& child : index->manifests) faces_.emplace_back(child, store.has(child));
  }
  face_ = TRY(find_face(store, image_, platform_));
  const auto unpacked = unpack_face(store, face_);
  if (!unpacked) {
    const std::string why = unpacked.error().detail();
    why_no_needs_ = why.substr(0, why.find('\n'));
    return {};
  }
  const std::string berth = TRY(find_program("berth", "BERTH"));
  needs_ = TRY(run_program({berth, "inspect", unpacked->module}));
  needs_json_ = TRY(run_program({berth, "inspect", "--json", unpacked->module}));
  if (needs_.exit_code != 0) why_no_needs_ = needs_.errors.substr(0, needs_.errors.find('\n'));
  return {};
}

std::string quoted(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    const bool plain = !word.empty() && word.find_first_of(" \t\n\"'\\$`") == std::string::npos;
    out += (out.empty() ? "" : " ") + (plain ? word : json::to_text(json::Value(word)));
  }
  return out;
}

// What the image would like to be granted, in plain words.
std::vector<std::pair<std::string, std::string>> Inspection::asks() const {
  std::vector<std::pair<std::string, std::string>> out;
  const oci::ImageConfig& config = face_.config;
  auto label = [&](const char* name) {
    const auto found = config.labels.find(name);
    return found == config.labels.end() ? std::string() : found->second;
  };
  if (!config.environment.empty()) out.emplace_back("environment", quoted(config.environment));
  if (const auto folders = label(kLabelFolders); !folders.empty()) {
    out.emplace_back("folders", folders);
  } else if (!face_.manifest.is_wasm_artifact()) {
    out.emplace_back("folders", "/ (all of the container)");
  }
  if (const auto listen = label(kAskListen); !listen.empty()) out.emplace_back("network", "to listen on " + listen);
  if (!config.user.empty()) out.emplace_back("user", config.user);
  return out;
}

std::string Inspection::text() const {
  std::vector<std::pair<std::string, std::string>> rows;
  rows.emplace_back("name", reference_.to_string());
  rows.emplace_back("digest", image_.digest.to_string());
  if (!faces_.empty()) {
    std::string list;
    for (const auto& [face, here] : faces_) {
      if (!face.platform) continue;
      list += (list.empty() ? "" : ", ") + face.platform->to_string() + (here ? "" : " (not here)");
    }
    rows.emplace_back("for", list);
  }
  const oci::ImageConfig& config = face_.config;
  rows.emplace_back("shown", face_.manifest.is_wasm_artifact() ? "an artifact of WebAssembly, " + config.platform.os
                                                               : config.platform.to_string());
  if (!config.created.empty())
    rows.emplace_back("created", config.created + (config.author.empty() ? "" : " by " + config.author));
  if (!config.entrypoint.empty()) rows.emplace_back("starts", quoted(config.entrypoint));
  if (!config.command.empty()) rows.emplace_back("arguments", quoted(config.command));
  u64 bytes = 0;
  for (const oci::Descriptor& layer : face_.manifest.layers) bytes += layer.size;
  rows.emplace_back("layers", std::to_string(face_.manifest.layers.size()) + ", " + cli::format_size(bytes));
  std::string out;
  auto print = [&](const std::vector<std::pair<std::string, std::string>>& all) {
    size_t width = 0;
    for (const auto& [name, value] : all) width = std::max(width, name.size());
    for (const auto& [name, value] : all) out += "  " + name + std::string(width + 2 - name.size(), ' ') + value + "\n";
  };
  out += "Image\n";
  print(rows);
  std::vector<std::pair<std::string, std::string>> labels;
  for (const auto& [name, value] : config.labels) {
    if (!name.starts_with("berth.")) labels.emplace_back(name, value);
  }
  if (!labels.empty()) out += "\nLabels\n";
  print(labels);
  const auto asked = asks();
  if (!asked.empty()) out += "\nAsks for (only who runs it grants)\n";
  print(asked);
  if (!why_no_needs_.empty()) return out + "\nIts module cannot be looked at: " + why_no_needs_ + "\n";
  return out + "\nModule " + entry_module(config) + "\n\n" + needs_.output;
}

json::Value Inspection::to_json() const {
  json::Value out = json::Object();
  out.set("name", reference_.to_string());
  out.set("digest", image_.digest.to_string());
  out.set("media_type", image_.media_type);
  json::Value& faces = out.set("faces", json::Array());
  for (const auto& [face, here] : faces_) {
    json::Value& item = faces.append(json::Object());
    item.set("platform", face.platform ? face.platform->to_string() : "");
    item.set("digest", face.digest.to_string());
    item.set("here", bool{here});
  }
  json::Value& shown = out.object_at("shown");
  const oci::ImageConfig& config = face_.config;
  auto list = [&](const char* name, const std::vector<std::string>& items) {
    json::Value& array = shown.set(name, json::Array());
    for (const std::string& item : items) array.append(item);
  };
  shown.set("digest", face_.descriptor.digest.to_string());
  shown.set("artifact", bool{face_.manifest.is_wasm_artifact()});
  shown.set("platform", config.platform.to_string());
  shown.set("created", config.created);
  shown.set("author", config.author);
  list("entrypoint", config.entrypoint);
  list("arguments", config.command);
  list("environment", config.environment);
  shown.set("user", config.user);
  shown.set("module", entry_module(config));
  json::Value& labels = shown.object_at("labels");
  for (const auto& [name, value] : config.labels) labels.set(name, value);
  json::Value& annotations = shown.object_at("annotations");
  for (const auto& [name, value] : face_.manifest.annotations) annotations.set(name, value);
  json::Value& layers = shown.set("layers", json::Array());
  for (const oci::Descriptor& layer : face_.manifest.layers) layers.append(oci::to_json(layer));
  if (const auto module = json::parse(needs_json_.output); module && why_no_needs_.empty()) {
    out.set("module", *module);
  } else {
    out.set("module_error", why_no_needs_);
  }
  return out;
}

}  // namespace

int inspect_command(const Arguments& arguments) {
  std::optional<oci::Platform> platform;
  if (const auto text = arguments.value("--platform")) {
    auto parsed = oci::parse_platform(*text);
    if (!parsed) return report(parsed.error());
    platform = std::move(*parsed);
  }
  auto reference = oci::parse_reference(arguments.operands()[0]);
  if (!reference) return report(reference.error());
  Inspection inspection(std::move(*reference), std::move(platform));
  if (const auto done = inspection.read(); !done) return report(done.error());
  cli::Output out;
  out << (arguments.has("--json") ? json::to_text(inspection.to_json(), 2) + "\n" : inspection.text());
  return out.finish(0);
}

}  // namespace berth::image
