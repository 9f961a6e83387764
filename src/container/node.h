// What there is on this node to run containers with. Read anew by each process.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace berth::container {

// The file that says where things are, all of it optional:
//   runtime = "/usr/bin/crun"             # the OCI runtime that does the work; default: the first one found
//   berth = "/usr/libexec/berth/berth"    # the static executable that runs WebAssembly; default: the one beside us
//   policy = "/etc/berth/policy.toml"
//   code = "/var/lib/berth/code"          # where native code of modules is kept (code.h); "" keeps none. Default for
//                                         # others than root: $XDG_DATA_HOME/berth/code or ~/.local/share/berth/code
//   keep-broker = "https://broker:8443"   # for keeps (keep.h), where a workload names none
//   keep-broker-ca = "/etc/berth/ca.pem"  # certificates that vouch for brokers
//   keep-image = "/usr/lib/berth/keep"    # of `berth keep image`; default: where that looks for it
// $BERTH_OCI_CONFIG names another file; $BERTH_OCI_RUNTIME, $BERTH_OCI_POLICY and $BERTH_OCI_CODE count before it.
inline constexpr char kNodeFile[] = "/etc/berth/oci.toml";

struct Node {
  std::string runtime;
  std::string berth;
  std::string berth_serve;  // what runs components: with TLS and the HTTP server; `berth` where there is none
  std::string policy;
  std::string code;  // empty: none is kept
  std::string berth_keep, keep_broker, keep_broker_ca, keep_image;
};

// Fails with Usage for a file that cannot be understood. Members are empty where nothing was found or named.
Result<Node> read_node();

// Whether this is the machine's root, and not that of a user namespace.
bool is_root();

// Where an OCI runtime called so is; empty when there is none, or when it is this program itself.
std::string find_program(const std::string& name);

// An installed OCI runtime: crun, runc or youki; empty when there is none. crun comes last where cgroups of both
// versions are in use, since it refuses to run there.
std::string find_runtime();

}  // namespace berth::container
