// What a keep runs, as its owner says: the resource that a broker releases once the keep has proved itself. JSON:
//
//   {"module": {"resource": "default/app/module"}      a module or component that is a resource itself; or
//              {"digest": "sha256:…"}                  the file on the keep's disk, if it is this one; or
//              {"image": {"digest": "sha256:…",        the image on its disk (an archive of an OCI layout), of this
//                         "key": "default/key/1"}},    manifest, or with all layers encrypted by this key; one of them
//                                                      at least
//    "native": true,                                   what runs is an artifact of `berth compile -o`, whose native
//    code
//                                                      the owner vouches for
//    "args": ["…"], "env": {"NAME": "value"},
//    "secrets": {"NAME": "default/app/password"},      files of the folder /secrets that the guest can read
//    "allow_net": ["…"], "allow_http": ["…"], "tcp_listen": ["0.0.0.0:8080"], "udp_bind": ["…"],
//    "max_memory": "64MiB"}                            as the options of `berth run`
//
// Values.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace berth::keep {

struct Config {
  enum class Kind : u8 { Resource, File, Image };
  Kind kind = Kind::Resource;
  std::string resource;  // of Kind::Resource
  std::string digest;    // "sha256:…"; of Kind::File, and of Kind::Image the manifest's or empty
  std::string key;       // of Kind::Image: the resource that each layer is encrypted by, or empty
  bool native = false;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env, secrets;
  std::vector<std::string> allow_net, allow_http, tcp_listen, udp_bind;
  std::string max_memory;
};

// Fails with BadArgument: what is not known, of another kind, or would let the host choose what runs.
Result<Config> parse_config(std::string_view text);

}  // namespace berth::keep
