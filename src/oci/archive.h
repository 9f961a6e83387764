// Images in tar files: an OCI image layout (image-layout.md) in an archive, as podman, skopeo and containerd write and
// read it. One thread.
#pragma once

#include <string>
#include <vector>

#include "oci/store.h"

namespace berth::oci {

// Writes the images with all that is here of them, under their names, to a file that appears when it is complete. The
// same images give the same archive.
Result<> save_archive(const Store& store, const std::vector<Store::Entry>& images, const std::string& path);

// Takes the images of an archive into the store, each blob checked against its digest, and names those that have names.
// Fails, naming nothing, when the archive is damaged or lacks a part.
Result<std::vector<Store::Entry>> load_archive(const Store& store, const std::string& path);

}  // namespace berth::oci
