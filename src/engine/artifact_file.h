// What an artifact says about itself, read from an open file without mapping it and without believing it. Any thread;
// the file's position is neither used nor moved.
#pragma once

#include <string>
#include <vector>

#include "abi/artifact.h"
#include "base/bytes.h"
#include "base/result.h"
#include "engine/digest.h"
#include "wasm/module.h"

namespace berth::engine {

struct ArtifactSummary {
  abi::ArtifactHeader header;
  u64 header_offset;  // in the file
  std::string target, cpu, compiler;

  Digest module_digest() const { return digest_of(header.module_digest); }
  Digest digest() const { return digest_of(header.digest); }

 private:
  static Digest digest_of(const u8 (&bytes)[32]);
};

// Whether bytes are the start of an ELF file, as artifacts are.
bool may_be_artifact(std::span<const u8> bytes);

// Fails with System, MagicHeader when it is no artifact, or BadArtifact with a reason, `name` in the message; not
// because of another abi::kAbiVersion, which leaves the module readable.
Result<ArtifactSummary> read_summary(int file, const std::string& name);
// The module that the artifact is code of. Fails with BadArtifact when it was left out or is not the one it should be.
Result<Bytes> read_module_of(int file, const ArtifactSummary& summary, const std::string& name);
// The same, mapped and not checked: for files that have been authenticated.
Result<Bytes> map_module_of(int file, const ArtifactSummary& summary, const std::string& name);
// Where the bodies of its functions are; none when the artifact does not say.
Result<std::vector<wasm::Range>> read_bodies(int file, const ArtifactSummary& summary, const std::string& name);
// What ArtifactHeader::digest should be; reads all of the file.
Result<Digest> compute_digest(int file, const ArtifactSummary& summary, const std::string& name);
// The plain digest of an open file.
Result<Digest> digest_file(int file, const std::string& name);

// What an artifact must be to run here.
struct WantedArtifact {
  Digest module;
  u32 options;  // abi::ArtifactOption bits
};
// Why this Berth on this machine cannot run the artifact; empty when it can.
std::string why_unfit(const ArtifactSummary& summary);
// The same, and that it is what is wanted.
std::string why_unfit(const ArtifactSummary& summary, const WantedArtifact& wanted);

}  // namespace berth::engine
