// Layers: tar archives of files (OCI image specification, layer.md), made the same from the same files, and unpacked
// without believing them. Pure functions, but for `unpack`, which writes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.h"
#include "oci/manifest.h"
#include "oci/store.h"

namespace berth::oci {

struct LayerFile {
  std::string path;      // in the image, absolute: "/app.wasm"
  std::string contents;  // of a file
  u32 mode = 0644;
  std::string link;  // where it leads, if it is a symbolic link
};

enum class Compression : u8 { Gzip, Zstd, None };

struct Layer {
  std::string bytes;
  Descriptor descriptor;
  Digest diff_id;
};

// A layer of the files and the folders above them, all of root's, with one time, in seconds since 1970. Fails when two
// files have one path, or a path leads nowhere.
Result<Layer> make_layer(std::vector<LayerFile> files, u64 time, Compression compression = Compression::Gzip);

struct UnpackLimits {
  u64 bytes = u64{16} << 30;
  u64 entries = 1'000'000;
};

// Puts what is in the layer into a folder, over what is there: regular files, folders and symbolic links, with their
// permissions but not their owners, and takes away what white-outs name (layer.md, Whiteouts). Nothing is written
// outside of the folder, whatever names and links say. Checks the blob against its digest, and the archive against
// `diff_id` unless that is null. Fails with what is wrong; what was written until then stays.
Result<> unpack(const Store& store, const Descriptor& layer, const Digest* diff_id, const std::string& folder,
                const UnpackLimits& limits = {});

}  // namespace berth::oci
