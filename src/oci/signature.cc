#include "oci/signature.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "json/json.h"
#include "oci/problem.h"
#include "os/file.h"

namespace berth::oci {
namespace {

constexpr u64 kMostPayload = u64{1} << 20, kMostFile = u64{4} << 20;
constexpr size_t kMostSignatures = 100;
constexpr const char* kAnnotation = "dev.cosignproject.cosign/signature";

struct Free {
  void operator()(BIO* b) const { BIO_free(b); }
  void operator()(EVP_PKEY* k) const { EVP_PKEY_free(k); }
  void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
};

Result<std::string> read_text(const std::string& path) {
  auto bytes = os::read_file(path, kMostFile);
  if (!bytes) return problem(bytes.error().to_string());
  return std::string(bytes->begin(), bytes->end());
}

// Why the payload does not speak of this image; empty when it does.
std::string why_not_of(const std::string& payload, const Reference& reference, const Digest& digest,
                       const SignatureRequirement& requirement) {
  const auto value = json::parse(payload);
  if (!value) return "its payload is no JSON";
  if (value->text_at({"critical", "type"}) != "cosign container image signature")
    return "its payload is of another type";
  if (value->text_at({"critical", "image", "docker-manifest-digest"}) != digest.to_string())
    return "it is of another image";
  const std::string_view named = value->text_at({"critical", "identity", "docker-reference"});
  using enum SignatureRequirement::Identity;
  const auto identity = parse_reference(named);
  const bool has_tag = identity && std::string_view(named).ends_with(":" + identity->tag);
  const std::string other = "it is for " + std::string(named.empty() ? "no name" : named);
  if (!identity) return other;
  switch (requirement.identity) {
    case Repository: return identity->name() == reference.name() ? "" : other;
    case Fixed: {
      const auto wanted = parse_reference(requirement.fixed);
      const bool wants_tag = wanted && requirement.fixed.ends_with(":" + wanted->tag);
      const bool same =
          wanted && wanted->name() == identity->name() && (!wants_tag || (has_tag && wanted->tag == identity->tag));
      return same ? "" : other;
    }
    case RepoDigestOrExact:
      if (reference.digest) return identity->name() == reference.name() ? "" : other;
      [[fallthrough]];
    case Exact: return identity->name() == reference.name() && has_tag && identity->tag == reference.tag ? "" : other;
  }
  return other;
}

struct Signed {
  std::string payload, signature;
};

Result<std::vector<Signed>> fetch_signatures(Registry& registry, const Digest& digest) {
  std::vector<Signed> out;
  const std::string tag = std::string(to_string(digest.algorithm)) + "-" + digest.hex + ".sig";
  const auto found = TRY(registry.find_manifest(tag));
  if (!found) return out;
  const auto parsed = parse_manifest(found->text, found->descriptor.media_type);
  const auto* manifest = parsed ? std::get_if<Manifest>(&*parsed) : nullptr;
  if (!manifest) return problem("the signatures at the tag " + tag + " are malformed");
  for (const Descriptor& layer : manifest->layers) {
    const auto signature = layer.annotations.find(kAnnotation);
    if (signature == layer.annotations.end() || layer.size > kMostPayload || out.size() == kMostSignatures) continue;
    auto decoded = from_base64(signature->second);
    if (!decoded) continue;
    out.push_back({TRY(registry.small_blob(layer)), std::move(*decoded)});
  }
  return out;
}

}  // namespace

Result<bool> verify_signature(std::string_view payload, std::string_view signature, const std::string& pem) {
  const std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const std::unique_ptr<EVP_PKEY, Free> key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key) return problem("it holds no public key", "a key is a file that starts with -----BEGIN PUBLIC KEY-----");
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  // Ed25519 digests by itself.
  const int kind = EVP_PKEY_get_base_id(key.get());
  const EVP_MD* digest = kind == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  if (kind != EVP_PKEY_ED25519 && kind != EVP_PKEY_EC && kind != EVP_PKEY_RSA)
    return problem("it holds a key of a kind that signatures of images do not have");
  if (EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key.get()) != 1)
    return problem("OpenSSL cannot use the key in it");
  return EVP_DigestVerify(context.get(), reinterpret_cast<const u8*>(signature.data()), signature.size(),
                          reinterpret_cast<const u8*>(payload.data()), payload.size()) == 1;
}

Result<SignatureRequirement> require_key(const std::string& key_file) {
  SignatureRequirement out;
  out.source = key_file;
  out.asked_by = "--verify-key";
  out.keys.push_back(TRY(read_text(key_file)));
  auto usable = verify_signature("", "", out.keys[0]);
  if (!usable) return problem(key_file + ": " + usable.error().detail());
  return out;
}

namespace {

Result<SignatureRequirement> read_requirement(const json::Value& value, const std::string& path) {
  SignatureRequirement out;
  out.asked_by = "the policy in " + path;
  std::vector<std::string> files;
  if (const auto file = value.text_at({"keyPath"}); !file.empty()) files.emplace_back(file);
  if (const json::Value* list = value.find("keyPaths")) {
    for (const json::Value& item : list->items()) files.emplace_back(item.string().value_or(""));
  }
  for (const std::string& file : files) {
    SignatureRequirement one = TRY(require_key(file));
    out.source += (out.source.empty() ? "" : ", ") + file;
    out.keys.push_back(std::move(one.keys[0]));
  }
  if (const auto data = from_base64(value.text_at({"keyData"})); data && !data->empty()) {
    out.keys.push_back(*data);
    out.source += (out.source.empty() ? "" : ", ") + std::string("keyData in ") + path;
  }
  if (out.keys.empty())
    return problem(path + " asks for signatures, but names no key: keyPath, keyPaths or keyData",
                   "Berth checks signatures made with a key, not with certificates (fulcio, pki)");
  out.identity = SignatureRequirement::Identity::RepoDigestOrExact;
  const json::Value* identity = value.find("signedIdentity");
  if (!identity) return out;
  const std::string_view type = identity->text_at({"type"});
  if (type == "matchRepository") {
    out.identity = SignatureRequirement::Identity::Repository;
  } else if (type == "matchExact") {
    out.identity = SignatureRequirement::Identity::Exact;
  } else if (type == "exactReference" || type == "exactRepository") {
    out.identity = SignatureRequirement::Identity::Fixed;
    out.fixed = identity->text_at({type == "exactReference" ? "dockerReference" : "dockerRepository"});
  } else if (type != "matchRepoDigestOrExact") {
    return problem(path + ": signedIdentity is of the type " + std::string(type) + ", which Berth does not know");
  }
  return out;
}

// The requirements for the longest scope that holds the image.
const json::Value* find_scope(const json::Value& policy, const Reference& reference) {
  const json::Value* transports = policy.find("transports");
  const json::Value* docker = transports ? transports->find("docker") : nullptr;
  if (!docker) return policy.find("default");
  if (const auto* exact = docker->find(reference.to_string())) return exact;
  for (std::string scope = reference.name(); !scope.empty();) {
    if (const auto* found = docker->find(scope)) return found;
    const size_t slash = scope.rfind('/');
    scope = slash == std::string::npos ? "" : scope.substr(0, slash);
  }
  for (std::string host = reference.registry; host.find('.') != std::string::npos;) {
    host = host.substr(host.find('.') + 1);
    if (const auto* found = docker->find("*." + host)) return found;
  }
  if (const auto* rest = docker->find("")) return rest;
  return policy.find("default");
}

}  // namespace

Result<Policy> read_policy(const Reference& reference, const std::string& named_file) {
  std::vector<std::string> places = {named_file};
  if (named_file.empty()) {
    const char* const home = std::getenv("HOME");
    places = {std::string(home ? home : "") + "/.config/containers/policy.json", "/etc/containers/policy.json"};
  }
  Policy out;
  for (const std::string& path : places) {
    if (named_file.empty() && access(path.c_str(), F_OK) != 0) continue;
    const std::string text = TRY(read_text(path));
    const auto policy = json::parse(text);
    if (!policy) return problem(path + " is no policy: " + policy.error().detail());
    out.source = path;
    const json::Value* requirements = find_scope(*policy, reference);
    if (!requirements || requirements->items().empty())
      return problem(path + " says nothing about " + reference.name() + ", which means no",
                     "containers-policy.json(5) describes it; its \"default\" is for everything else");
    for (const json::Value& requirement : requirements->items()) {
      const std::string_view type = requirement.text_at({"type"});
      if (type == "insecureAcceptAnything") continue;
      if (type == "reject") {
        out.rejects = true;
      } else if (type == "sigstoreSigned") {
        out.requirements.push_back(TRY(read_requirement(requirement, path)));
      } else {
        return problem(
            path + " asks for what Berth cannot check: " + std::string(type.empty() ? "nothing named" : type),
            "of the kinds in containers-policy.json(5) it checks sigstoreSigned");
      }
    }
    return out;
  }
  return out;
}

Result<> check_signatures(Registry& registry, const Reference& reference, const Digest& digest, const Policy& policy) {
  const std::string name = reference.to_string();
  if (policy.rejects) return problem("the policy in " + policy.source + " does not allow " + name);
  if (policy.requirements.empty()) return {};
  const auto signatures = TRY(fetch_signatures(registry, digest));
  const std::string asks = policy.requirements.back().asked_by + " asks for one";
  if (signatures.empty())
    return problem(
        name + " has no signature, and " + asks,
        "nothing was pulled; `cosign sign --key KEY " + reference.name() + "@" + digest.to_string() + "` makes one");
  for (const SignatureRequirement& requirement : policy.requirements) {
    std::string why = "it is not by the key in " + requirement.source;
    bool good = false;
    for (const Signed& one : signatures) {
      for (const std::string& key : requirement.keys) {
        if (!TRY(verify_signature(one.payload, one.signature, key))) continue;
        const std::string not_of = why_not_of(one.payload, reference, digest, requirement);
        good = good || not_of.empty();
        if (!not_of.empty()) why = not_of;
      }
    }
    if (!good)
      return problem("the signature of " + name + " does not count: " + why,
                     "nothing was pulled; find out who put this image there before you use it");
  }
  return {};
}

}  // namespace berth::oci
