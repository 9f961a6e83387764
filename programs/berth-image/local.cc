// berth image ls, tag, rm, save, load

#include <algorithm>

#include "berth-image/commands.h"
#include "berth-image/unpacked.h"
#include "cli/units.h"
#include "json/json.h"
#include "oci/archive.h"
#include "oci/problem.h"
#include "oci/transfer.h"

namespace berth::image {
namespace {

struct Row {
  std::string name, digest, holds;
  u64 bytes = 0;
};

// What there is of an image, each blob counted once.
Result<Row> describe(const oci::Store& store, const oci::Store::Entry& entry) {
  Row row{entry.name, entry.descriptor.digest.to_string(), {}, 0};
  std::vector<oci::Digest> counted;
  auto count = [&](const oci::Descriptor& blob) {
    if (std::ranges::find(counted, blob.digest) != counted.end() || !store.has(blob)) return;
    counted.push_back(blob.digest);
    row.bytes += blob.size;
  };
  auto count_all = [&](const oci::Manifest& manifest) {
    count(manifest.config);
    for (const oci::Descriptor& layer : manifest.layers) count(layer);
  };
  count(entry.descriptor);
  const auto parsed = TRY(store.read_manifest(entry.descriptor));
  if (const auto* index = std::get_if<oci::Index>(&parsed)) {
    for (const oci::Descriptor& child : index->manifests) {
      if (!store.has(child)) continue;
      count(child);
      if (child.platform) row.holds += (row.holds.empty() ? "" : ",") + child.platform->to_string();
      const auto inner = TRY(store.read_manifest(child));
      if (const auto* manifest = std::get_if<oci::Manifest>(&inner)) count_all(*manifest);
    }
    return row;
  }
  count_all(std::get<oci::Manifest>(parsed));
  const Face face = TRY(find_face(store, entry.descriptor, {}));
  row.holds = face.manifest.is_wasm_artifact() ? "artifact" : face.config.platform.to_string();
  return row;
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

Result<int> list(const Arguments& arguments) {
  const oci::Store store = TRY(open_store());
  std::vector<Row> rows;
  for (const oci::Store::Entry& entry : TRY(store.entries())) {
    auto row = describe(store, entry);
    // One that is damaged keeps nobody from seeing the others.
    rows.push_back(row ? std::move(*row) : Row{entry.name, entry.descriptor.digest.to_string(), "damaged", 0});
  }
  cli::Output out;
  if (arguments.has("--json")) {
    json::Value all = json::Array();
    for (const Row& row : rows) {
      json::Value& item = all.append(json::Object());
      item.set("name", row.name);
      item.set("digest", row.digest);
      item.set("holds", row.holds);
      item.set("bytes", row.bytes);
    }
    out << json::to_text(all, 2) << "\n";
    return out.finish(0);
  }
  size_t widest = 4;
  for (const Row& row : rows) widest = std::max(widest, row.name.size());
  if (!rows.empty()) out << padded("NAME", widest) << "  DIGEST        SIZE        FOR\n";
  for (const Row& row : rows) {
    out << padded(row.name, widest) << "  " << row.digest.substr(row.digest.find(':') + 1, 12) << "  "
        << padded(cli::format_size(row.bytes), 10) << "  " << row.holds << "\n";
  }
  return out.finish(0);
}

Result<> tag(const Arguments& arguments) {
  const oci::Reference from = TRY(oci::parse_reference(arguments.operands()[0]));
  const oci::Reference to = TRY(oci::parse_reference(arguments.operands()[1]));
  if (to.digest) return fail(ErrorCode::BadArgument, "an image cannot be given a digest");
  const oci::Store store = TRY(open_store());
  return store.set_name(to.to_string(), TRY(find_image(store, from)));
}

Result<int> remove(const Arguments& arguments) {
  oci::Store store = TRY(open_store());
  int code = 0;
  cli::Output out;
  for (const std::string_view text : arguments.operands()) {
    const auto reference = oci::parse_reference(text);
    if (!reference) return fail(ErrorCode::BadArgument, reference.error().detail());
    // By digest alone: every name of it.
    std::vector<std::string> names;
    for (const oci::Store::Entry& entry : TRY(store.entries())) {
      const bool same = reference->digest ? entry.descriptor.digest == *reference->digest &&
                                                (entry.name.starts_with(reference->name() + ":") ||
                                                 entry.name.starts_with(reference->name() + "@"))
                                          : entry.name == reference->to_string();
      if (same) names.push_back(entry.name);
    }
    if (names.empty()) {
      const auto none = find_image(store, *reference);
      code = none ? 0 : report(none.error());
    }
    for (const std::string& name : names) {
      if (TRY(store.remove_name(name))) out << "removed " << name << "\n";
    }
  }
  const auto collected = TRY(store.collect());
  if (!collected.busy) remove_unpacked(store);
  if (collected.blobs != 0) out << "freed " << cli::format_size(collected.bytes) << "\n";
  if (collected.busy) cli::print_message("others are using the store; what is no longer needed goes with the next rm");
  return out.finish(code);
}

}  // namespace

int list_command(const Arguments& arguments) {
  const auto code = list(arguments);
  return code ? *code : report(code.error());
}

int tag_command(const Arguments& arguments) {
  const auto done = tag(arguments);
  return done ? 0 : report(done.error());
}

int remove_command(const Arguments& arguments) {
  const auto code = remove(arguments);
  return code ? *code : report(code.error());
}

int save_command(const Arguments& arguments) {
  auto run = [&]() -> Result<> {
    const auto output = arguments.value("--output");
    if (!output) return fail(ErrorCode::BadArgument, "no file was named: -o FILE");
    const oci::Store store = TRY(open_store());
    std::vector<oci::Store::Entry> entries;
    for (const std::string_view name : arguments.operands()) {
      const oci::Reference reference = TRY(oci::parse_reference(name));
      entries.push_back({reference.to_string(), TRY(find_image(store, reference))});
    }
    return oci::save_archive(store, entries, std::string(*output));
  };
  const auto done = run();
  return done ? 0 : report(done.error());
}

int load_command(const Arguments& arguments) {
  auto run = [&]() -> Result<std::vector<oci::Store::Entry>> {
    const auto input = arguments.value("--input");
    if (!input) return fail(ErrorCode::BadArgument, "no file was named: -i FILE");
    return oci::load_archive(TRY(open_store()), std::string(*input));
  };
  const auto loaded = run();
  if (!loaded) return report(loaded.error());
  cli::Output out;
  for (const oci::Store::Entry& entry : *loaded)
    out << entry.name << "@" << entry.descriptor.digest.to_string() << "\n";
  return out.finish(0);
}

}  // namespace berth::image
