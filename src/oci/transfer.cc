#include "oci/transfer.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "oci/problem.h"

namespace berth::oci {
namespace {

constexpr size_t kThreads = 3;

// Calls `move` for each blob, on several threads; the first error stops those that have not begun.
Result<> for_each_blob(const std::vector<Descriptor>& blobs, const std::function<Result<>(const Descriptor&)>& move) {
  std::mutex mutex;
  std::optional<Error> error;
  std::atomic<size_t> next = 0;
  auto work = [&] {
    while (true) {
      const size_t i = next++;
      if (i >= blobs.size()) return;
      auto done = move(blobs[i]);
      if (done) continue;
      const std::lock_guard lock(mutex);
      if (!error) error.emplace(std::move(done).error());
      next = blobs.size();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (size_t i = 1; i < std::min(kThreads, blobs.size()); ++i) threads.emplace_back(work);
    work();
  }
  if (error) return fail(std::move(*error));
  return {};
}

// Each blob once.
void add_blobs(const Manifest& manifest, std::vector<Descriptor>& blobs) {
  auto add = [&](const Descriptor& blob) {
    if (std::ranges::find(blobs, blob.digest, &Descriptor::digest) == blobs.end()) blobs.push_back(blob);
  };
  add(manifest.config);
  for (const Descriptor& layer : manifest.layers) add(layer);
}

std::string list_of(const Index& index) {
  std::string out;
  for (const Descriptor& image : index.manifests) {
    if (image.platform) out += (out.empty() ? "" : ", ") + image.platform->to_string();
  }
  return out.empty() ? "none that says what it is for" : out;
}

class Puller {
 public:
  Puller(const Store& store, Registry& registry, const Reference& reference, TransferObserver& observer)
      : store_(store), registry_(registry), reference_(reference), observer_(observer) {}

  Result<Transferred> run(const PullOptions& options);

 private:
  Result<> fetch_image(const Descriptor& descriptor, const std::string& text);
  Result<> fetch_blob(const Descriptor& blob);

  const Store& store_;
  Registry& registry_;
  const Reference& reference_;
  TransferObserver& observer_;
  std::vector<std::pair<std::string, Digest>> manifests_;
  std::vector<Descriptor> blobs_;
  std::atomic<u64> moved_ = 0, there_ = 0;
};

Result<> Puller::fetch_image(const Descriptor& descriptor, const std::string& text) {
  auto parsed = parse_manifest(text, descriptor.media_type);
  if (!parsed) return problem(reference_.name() + "@" + descriptor.digest.to_string() + ": " + parsed.error().detail());
  const auto* manifest = std::get_if<Manifest>(&*parsed);
  if (!manifest) return problem(reference_.to_string() + " holds an index within an index, which Berth does not read");
  if (manifest->config.size > kMostConfig)
    return problem(reference_.to_string() + ": its configuration is said to have " +
                   std::to_string(manifest->config.size) + " bytes");
  manifests_.emplace_back(text, descriptor.digest);
  add_blobs(*manifest, blobs_);
  return {};
}

Result<> Puller::fetch_blob(const Descriptor& blob) {
  if (store_.has(blob)) {
    there_ += blob.size;
    observer_.done(blob, true);
    return {};
  }
  BlobWriter writer = TRY(BlobWriter::open(store_, blob));
  if (store_.has(blob)) {
    writer.discard();
    there_ += blob.size;
    observer_.done(blob, true);
    return {};
  }
  const u64 before = writer.size();
  TRY(registry_.get_blob(blob, writer, [&](u64 bytes) { observer_.moved(blob, bytes); }));
  moved_ += blob.size - std::min(before, blob.size);
  observer_.done(blob, false);
  return {};
}

Result<Transferred> Puller::run(const PullOptions& options) {
  const FetchedManifest root = TRY(registry_.manifest(reference_.target()));
  Policy policy = TRY(read_policy(reference_, options.policy_file));
  if (options.key) policy.requirements.push_back(*options.key);
  TRY(check_signatures(registry_, reference_, root.descriptor.digest, policy));
  const auto parsed = parse_manifest(root.text, root.descriptor.media_type);
  CHECK(parsed);  // it was, when it came
  if (const auto* index = std::get_if<Index>(&*parsed)) {
    const auto selected = select(*index, options.selection);
    if (selected.empty()) {
      const Platform wanted = options.selection.platform.value_or(host_platform());
      return problem(
          reference_.to_string() + " has no image for " + wanted.to_string() + "; it has: " + list_of(*index),
          "--platform chooses one");
    }
    for (const Descriptor& image : selected) {
      const FetchedManifest fetched = TRY(registry_.manifest(image.digest.to_string()));
      if (fetched.text.size() != image.size)
        return problem("the manifest " + image.digest.to_string() + " has another size than its index says");
      TRY(fetch_image(image, fetched.text));
    }
    manifests_.emplace_back(root.text, root.descriptor.digest);
  } else {
    TRY(fetch_image(root.descriptor, root.text));
  }
  for (const Descriptor& blob : blobs_) observer_.announced(blob);
  TRY(for_each_blob(blobs_, [&](const Descriptor& blob) { return fetch_blob(blob); }));
  for (const auto& [text, digest] : manifests_) TRY(store_.add(text, digest));
  Reference named = reference_;
  if (!named.tag.empty()) named.digest.reset();
  TRY(store_.set_name(named.to_string(), root.descriptor));
  return Transferred{root.descriptor, moved_, there_};
}

// The repositories of a registry that have a blob, as far as the store knows.
std::vector<std::string> repositories_with(const Store& store, const Digest& blob, const Reference& to) {
  std::vector<std::string> out;
  const auto entries = store.entries();
  if (!entries) return out;
  for (const Store::Entry& entry : *entries) {
    const auto reference = parse_reference(entry.name);
    if (!reference || reference->registry != to.registry || reference->repository == to.repository) continue;
    std::vector<Descriptor> queue = {entry.descriptor};
    for (size_t i = 0; i < queue.size(); ++i) {
      const auto parsed = store.has(queue[i]) ? store.read_manifest(queue[i]) : problem("not there");
      if (!parsed) continue;
      if (const auto* index = std::get_if<Index>(&*parsed)) {
        if (i == 0) queue.insert(queue.end(), index->manifests.begin(), index->manifests.end());
        continue;
      }
      const auto& manifest = std::get<Manifest>(*parsed);
      const bool has = manifest.config.digest == blob ||
                       std::ranges::find(manifest.layers, blob, &Descriptor::digest) != manifest.layers.end();
      if (has && std::ranges::find(out, reference->repository) == out.end()) out.push_back(reference->repository);
    }
  }
  return out;
}

}  // namespace

bool is_wasm(const Platform& platform) {
  return platform.architecture.starts_with(kWasmArchitecture) && platform.os.starts_with(kWasmOs);
}

Platform host_platform() {
#if defined(__aarch64__)
  return {"linux", "arm64", ""};
#else
  return {"linux", "amd64", ""};
#endif
}

std::vector<Descriptor> select(const Index& index, const Selection& selection) {
  std::vector<Descriptor> out;
  auto take = [&](auto fits) {
    for (const Descriptor& image : index.manifests) {
      const bool attachment = image.platform && image.platform->os == "unknown";
      const bool usable = media::is_manifest(image.media_type) && !attachment;
      if (usable && fits(image) && (selection.all || out.empty())) out.push_back(image);
    }
  };
  if (selection.all) {
    take([](const Descriptor&) { return true; });
    return out;
  }
  auto is = [](const Platform& wanted) {
    return [&wanted](const Descriptor& image) {
      return image.platform && image.platform->os == wanted.os && image.platform->architecture == wanted.architecture &&
             (wanted.variant.empty() || image.platform->variant == wanted.variant);
    };
  };
  if (selection.platform) {
    take(is(*selection.platform));
    return out;
  }
  const Platform host = host_platform();
  take([](const Descriptor& image) { return image.platform && is_wasm(*image.platform); });
  if (out.empty()) take(is(host));
  if (out.empty() && index.manifests.size() == 1) take([](const Descriptor& image) { return !image.platform; });
  return out;
}

Result<Transferred> pull(const Store& store, const Reference& reference, const PullOptions& options,
                         TransferObserver& observer) {
  const auto registry = TRY(Registry::open(reference, Registry::Access::Pull, options.registry));
  return Puller(store, *registry, reference, observer).run(options);
}

Result<Transferred> push(const Store& store, const Descriptor& image, const Reference& to,
                         const RegistryOptions& options, TransferObserver& observer) {
  if (to.digest) return problem("an image cannot be pushed to a digest", "name a tag: " + to.name() + ":TAG");
  struct Part {
    Descriptor descriptor;
    std::string text;
  };
  std::vector<Part> images;
  std::vector<Descriptor> blobs;
  const std::string root_text = TRY(store.read(image, kMostManifest));
  const auto root = TRY(store.read_manifest(image));
  if (const auto* index = std::get_if<Index>(&root)) {
    for (const Descriptor& child : index->manifests) {
      if (!store.has(child))
        return problem("the part of " + to.to_string() + (child.platform ? " for " + child.platform->to_string() : "") +
                           " is not here",
                       "`berth image pull --all-platforms` gets every part");
      images.push_back({child, TRY(store.read(child, kMostManifest))});
      const auto parsed = TRY(store.read_manifest(child));
      if (const auto* manifest = std::get_if<Manifest>(&parsed)) add_blobs(*manifest, blobs);
    }
  } else {
    add_blobs(std::get<Manifest>(root), blobs);
  }
  const auto registry = TRY(Registry::open(to, Registry::Access::Push, options));
  for (const Descriptor& blob : blobs) observer.announced(blob);
  std::atomic<u64> moved = 0, there = 0;
  TRY(for_each_blob(blobs, [&](const Descriptor& blob) -> Result<> {
    bool has = TRY(registry->has_blob(blob.digest));
    if (!has) {
      const auto others = repositories_with(store, blob.digest, to);
      for (const std::string& other : others) {
        const auto mounted = registry->mount_blob(blob.digest, other);
        has = mounted.value_or(false);
        if (has) break;
      }
    }
    if (!has) {
      const File file = TRY(store.open_blob(blob));
      TRY(registry->put_blob(blob, file.get(), [&](u64 bytes) { observer.moved(blob, bytes); }));
    }
    (has ? there : moved) += blob.size;
    observer.done(blob, has);
    return {};
  }));
  for (const Part& part : images)
    TRY(registry->put_manifest(part.descriptor.digest.to_string(), part.text, part.descriptor.media_type));
  TRY(registry->put_manifest(to.tag, root_text, image.media_type));
  return Transferred{image, moved, there};
}

}  // namespace berth::oci
