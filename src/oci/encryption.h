// Encrypted images, in the format that ocicrypt defines and skopeo, containerd's imgcrypt and the guests of
// Confidential Containers know: each layer under a key of its own by AES-256-CTR with an HMAC (SHA-256) of the result,
// media type "…+encrypted", and that key, wrapped for whoever may decrypt, in the layer's annotations. Configurations
// stay as they are. One thread.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oci/store.h"

namespace berth::oci {

// Wraps a layer's options, a text of JSON with its key, into an annotation.
struct KeyWrapper {
  std::string annotation;
  std::function<Result<std::string>(std::string_view options)> wrap;  // gives the annotation's text, before base64
};

// For those who get `key` (32 bytes) from a key broker, where it is the resource `name` (REPOSITORY/TYPE/TAG).
KeyWrapper wrap_for_broker(std::string name, std::span<const u8> key);
// For those who have the private part of an RSA key (PEM, 2048 bits or more): JSON Web Encryption with RSA-OAEP and
// A256GCM. Fails with BadArgument.
Result<KeyWrapper> wrap_for_public_key(std::string_view pem);

// Adds the encrypted image to the store, and gives its descriptor: of a manifest, or of an index with each of its
// manifests encrypted. Wrappers of the same annotation are alternatives. Fails with BadArgument when something in it is
// encrypted already or has no layers that are archives, and as the store does.
Result<Descriptor> encrypt_image(const Store& store, const Descriptor& image, std::span<const KeyWrapper> wrappers);

inline constexpr std::string_view kEncryptedSuffix = "+encrypted";

}  // namespace berth::oci
