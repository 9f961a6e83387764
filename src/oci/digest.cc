#include "oci/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace berth::oci {

namespace {

size_t hex_length(Algorithm algorithm) { return algorithm == Algorithm::Sha256 ? 64 : 128; }

}  // namespace

std::string_view to_string(Algorithm algorithm) { return algorithm == Algorithm::Sha256 ? "sha256" : "sha512"; }

std::string Digest::to_string() const { return std::string(oci::to_string(algorithm)) + ":" + hex; }

Result<Digest> parse_digest(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string shown(text.substr(0, 150));
  if (colon == std::string_view::npos) return fail(ErrorCode::TextSyntax, "\"" + shown + "\" is no digest");
  const std::string_view name = text.substr(0, colon), hex = text.substr(colon + 1);
  Digest digest;
  if (name == "sha256") {
    digest.algorithm = Algorithm::Sha256;
  } else if (name == "sha512") {
    digest.algorithm = Algorithm::Sha512;
  } else {
    return fail(ErrorCode::TextSyntax, "the digest \"" + shown + "\" is neither sha256 nor sha512");
  }
  const bool is_hex = std::ranges::all_of(hex, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!is_hex || hex.size() != hex_length(digest.algorithm))
    return fail(ErrorCode::TextSyntax, "\"" + shown + "\" is no digest");
  digest.hex = hex;
  return digest;
}

struct Hasher::State {
  Algorithm algorithm;
  EVP_MD_CTX* context;
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(Algorithm algorithm) : state_(new State{algorithm, EVP_MD_CTX_new()}) {
  CHECK(state_->context != nullptr);
  CHECK(EVP_DigestInit_ex(state_->context, algorithm == Algorithm::Sha256 ? EVP_sha256() : EVP_sha512(), nullptr) == 1);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::span<const u8> bytes) {
  CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

Digest Hasher::finish() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<u8, EVP_MAX_MD_SIZE> bytes;
  unsigned length = 0;
  CHECK(EVP_DigestFinal_ex(state_->context, bytes.data(), &length) == 1);
  Digest digest{state_->algorithm, {}};
  for (unsigned i = 0; i < length; ++i) digest.hex += {kHex[bytes[i] >> 4], kHex[bytes[i] & 15]};
  return digest;
}

Digest digest_of(std::string_view bytes, Algorithm algorithm) {
  Hasher hasher(algorithm);
  hasher.update(bytes);
  return hasher.finish();
}

}  // namespace berth::oci
