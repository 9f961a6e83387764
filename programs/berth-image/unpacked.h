// The modules of images in the store, as files. One thread.
#pragma once

#include <string>
#include <vector>

#include "oci/manifest.h"
#include "oci/reference.h"
#include "oci/store.h"

namespace berth::image {

// An image for one platform, read.
struct Face {
  oci::Descriptor descriptor;
  oci::Manifest manifest;
  oci::ImageConfig config;
};

// The image of a name that is meant for the platform; without one the module's own, else this machine's.
Result<Face> find_face(const oci::Store& store, const oci::Descriptor& image,
                       const std::optional<oci::Platform>& platform);
// The module that the image starts, as a path in it: its entry point, or what follows "--" where that is Berth's own
// launcher. Empty when it is no module by its looks.
std::string entry_module(const oci::ImageConfig& config);

struct Unpacked {
  std::string folder;  // its root
  std::string module;  // the entry module's file
};
// Unpacks a face below the store, once; it is complete or not there.
Result<std::string> unpack_files(const oci::Store& store, const Face& face);  // its root alone, of any image
Result<Unpacked> unpack_face(const oci::Store& store, const Face& face);
// Removes what belongs to images that are gone.
void remove_unpacked(const oci::Store& store);

// Compiles the entry modules of an image into the cache, by `berth compile`.
Result<> compile_modules(const oci::Store& store, const oci::Reference& reference);

}  // namespace berth::image
