// Signatures of images: sigstore's simple signing format with a key (cosign's SIGNATURE_SPEC.md), and the policy that
// asks for them, which is the one of podman, CRI-O and skopeo (containers-policy.json(5)). Any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oci/registry.h"

namespace berth::oci {

// Whether `signature` is one of `payload` by the public key in `pem`: ECDSA over P-256, P-384 or P-521, RSA, or
// Ed25519. False for a signature of something else; fails when the key is none.
Result<bool> verify_signature(std::string_view payload, std::string_view signature, const std::string& pem);

// What a signature must be to count.
struct SignatureRequirement {
  std::vector<std::string> keys;  // PEM; one of them must have signed
  std::string source;             // of the keys, for messages: a file
  std::string asked_by;           // for messages: "--verify-key"
  enum class Identity : u8 { Repository, Exact, RepoDigestOrExact, Fixed } identity = Identity::Repository;
  std::string fixed;  // what the signature must name, for Fixed: a repository, or a reference with a tag
};

struct Policy {
  bool rejects = false;                            // whatever it is
  std::vector<SignatureRequirement> requirements;  // all of them
  std::string source;                              // the file; empty when there is none
};

// What the policy says of an image: that of the file named, else ~/.config/containers/policy.json, else
// /etc/containers/policy.json; where there is none of these, anything goes. Fails when the file is malformed, or asks
// for what Berth cannot check.
Result<Policy> read_policy(const Reference& reference, const std::string& named_file);
// The requirement of `--verify-key`.
Result<SignatureRequirement> require_key(const std::string& key_file);

// Finds out whether the image with that digest is signed as required: its signatures are in the same repository, under
// the tag sha256-DIGEST.sig. Fails with the reason when it is not.
Result<> check_signatures(Registry& registry, const Reference& reference, const Digest& digest, const Policy& policy);

}  // namespace berth::oci
