// Any bytes as what a keep and its host take from each other and from the outside: firmware, launch documents,
// greetings, configurations, URLs, and workloads that a host hands over. An error with a text, or a value; never a
// crash.

#include <cstdlib>
#include <span>
#include <string_view>

#include "keep/config.h"
#include "keep/http.h"
#include "keep/launch.h"
#include "keep/workload.h"
#include "measure/sev.h"
#include "measure/tdx.h"

namespace {

using namespace berth;

void expect_reason(const Error& error) {
  if (error.to_string().empty()) std::abort();
}

void measure_firmware(std::span<const u8> bytes) {
  // Whole pages, as firmware has.
  std::vector<u8> file(bytes.begin(), bytes.end());
  file.insert(file.begin(), (4096 - file.size() % 4096) % 4096, u8{0});
  const auto firmware = measure::read_firmware(file);
  if (!firmware) return expect_reason(firmware.error());
  measure::SevLaunch launch;
  launch.vcpus = 2;
  launch.hashes = measure::hash_kernel({}, {}, "");
  (void)measure::snp_launch_digest(*firmware, launch);
  (void)measure::sev_es_launch_digest(*firmware, launch);
  (void)measure::tdx_mrtd(*firmware);
  (void)measure::authenticode_sha384(bytes);
}

void read_texts(std::string_view text) {
  if (const auto launch = keep::parse_launch(text)) {
    if (!keep::parse_launch(keep::launch_text(*launch))) std::abort();
  } else {
    expect_reason(launch.error());
  }
  if (const auto greeting = keep::parse_greeting(text)) {
    if (!keep::parse_greeting(keep::greeting_text(*greeting))) std::abort();
  }
  if (const auto config = keep::parse_config(text)) {
    // What the host could choose alone must not pass.
    if (config->kind == keep::Config::Kind::Image && config->digest.empty() && config->key.empty()) std::abort();
  }
  (void)keep::parse_url(text);
}

void open_workload(std::span<const u8> bytes, bool encrypted) {
  keep::Config config;
  config.kind = keep::Config::Kind::Image;
  if (encrypted) {
    config.key = "default/key/1";
  } else {
    config.digest = "sha256:" + std::string(64, '0');
  }
  const auto module = keep::open_workload(
      bytes, config, [](std::string_view) -> Result<std::vector<u8>> { return std::vector<u8>(32); });
  if (!module) expect_reason(module.error());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const u8> bytes(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0: measure_firmware(bytes); break;
    case 1: read_texts({reinterpret_cast<const char*>(bytes.data()), bytes.size()}); break;
    case 2: open_workload(bytes, true); break;
    default: open_workload(bytes, false); break;
  }
  return 0;
}
