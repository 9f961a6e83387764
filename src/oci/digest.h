// Content digests (OCI image specification, descriptor.md, Digests): sha256 and sha512. Values; a Hasher belongs to one
// thread.
#pragma once

#include <compare>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace berth::oci {

enum class Algorithm : u8 { Sha256, Sha512 };

// "sha256", "sha512"
std::string_view to_string(Algorithm algorithm);

struct Digest {
  Algorithm algorithm = Algorithm::Sha256;
  std::string hex;  // lower case, of the algorithm's length

  // "sha256:…"
  std::string to_string() const;
  // The first twelve digits, for people.
  std::string short_text() const { return hex.substr(0, 12); }
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

// Fails with TextSyntax for what is no digest, or one that could not be checked here.
Result<Digest> parse_digest(std::string_view text);

// A digest of bytes as they come.
class Hasher {
 public:
  explicit Hasher(Algorithm algorithm = Algorithm::Sha256);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::span<const u8> bytes);
  void update(std::string_view text) { update({reinterpret_cast<const u8*>(text.data()), text.size()}); }
  // Once, after the last bytes.
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest digest_of(std::string_view bytes, Algorithm algorithm = Algorithm::Sha256);

}  // namespace berth::oci
