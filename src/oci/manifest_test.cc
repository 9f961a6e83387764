#include "oci/manifest.h"

#include <gtest/gtest.h>

namespace berth::oci {
namespace {

const std::string kA = "sha256:" + std::string(64, 'a'), kB = "sha256:" + std::string(64, 'b');

std::string manifest(const std::string& config, const std::string& layers, const std::string& more = "") {
  return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" + config +
         ",\"layers\":" + layers + more + "}";
}
std::string descriptor(const std::string& type, const std::string& digest, const std::string& size = "5") {
  return R"({"mediaType":")" + type + R"(","digest":")" + digest + R"(","size":)" + size + "}";
}
const std::string kConfig = descriptor("application/vnd.oci.image.config.v1+json", kA);

TEST(Manifest, IsReadAndWritten) {
  const std::string text =
      manifest(kConfig, "[" + descriptor("application/wasm", kB) + "]", R"(,"annotations":{"a":"b"})");
  const auto read = parse_manifest(text, media::kManifest);
  ASSERT_TRUE(read) << read.error().detail();
  const auto& m = std::get<Manifest>(*read);
  EXPECT_EQ(m.layers.at(0).digest.to_string(), kB);
  EXPECT_EQ(m.annotations.at("a"), "b");
  EXPECT_EQ(to_text(m), text);
}

TEST(Manifest, ReadsDockersLists) {
  const std::string text =
      R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json",
    "manifests":[{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":")" +
      kA + R"(","size":7,"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]})";
  const auto read = parse_manifest(text);
  ASSERT_TRUE(read) << read.error().detail();
  EXPECT_EQ(std::get<Index>(*read).manifests.at(0).platform->to_string(), "linux/arm64/v8");
}

TEST(Manifest, RejectsWhatIsMalformed) {
  const std::string type = "application/vnd.oci.image.layer.v1.tar";
  const std::vector<std::string> bad = {
      "",
      "[]",
      "null",
      "{}",
      "{\"schemaVersion\":1}",
      "{\"schemaVersion\":\"2\",\"config\":{},\"layers\":[]}",
      manifest("null", "[]"),
      manifest("{}", "[]"),
      manifest(kConfig, "{}"),
      manifest(kConfig, "[1]"),
      manifest(kConfig, "null"),
      manifest(kConfig, "[{}]"),
      manifest(kConfig, "[" + descriptor(type, "sha256:zz") + "]"),
      manifest(kConfig, "[" + descriptor(type, "md5:" + std::string(32, 'a')) + "]"),
      manifest(kConfig, "[" + descriptor(type, "sha256:../../../../etc/passwd") + "]"),
      manifest(kConfig, "[" + descriptor(type, kB, "-1") + "]"),
      manifest(kConfig, "[" + descriptor(type, kB, "1.5") + "]"),
      manifest(kConfig, "[" + descriptor(type, kB, "\"5\"") + "]"),
      manifest(kConfig, "[" + descriptor(type, kB, "18446744073709551615") + "]"),
      manifest(kConfig, "[]", R"(,"annotations":[])"),
      manifest(kConfig, "[]", R"(,"annotations":{"a":1})"),
      manifest(kConfig, "[]", R"(,"manifests":[])"),
      manifest(kConfig, "[]", R"(,"config":{})"),
      manifest(kConfig, "[]") + "x",
      manifest(kConfig, "[]").substr(0, 100),
      R"({"schemaVersion":2,"mediaType":"text/plain","config":)" + kConfig + R"(,"layers":[]})",
      R"({"schemaVersion":2,"mediaType":5,"config":)" + kConfig + R"(,"layers":[]})",
      R"({"schemaVersion":2,"manifests":{}})",
      R"({"schemaVersion":2,"manifests":[{"digest":")" + kA + "\"}]}"};
  for (const std::string& text : bad) EXPECT_FALSE(parse_manifest(text)) << text;
  EXPECT_FALSE(parse_manifest(manifest(kConfig, "[]"), media::kIndex));
  EXPECT_TRUE(parse_manifest(manifest(kConfig, "[]"), "text/plain"));
}

TEST(Config, IsReadAndWritten) {
  ImageConfig config;
  config.platform = {"linux", "amd64", ""};
  config.created = "1970-01-01T00:00:00Z";
  config.entrypoint = {"/.berth/berth", "run", "--", "/app.wasm"};
  config.labels = {{"k", "v"}};
  config.exposed_ports = {"80/tcp"};
  config.diff_ids = {*parse_digest(kA)};
  config.history = {"x"};
  const auto read = parse_config(to_text(config));
  ASSERT_TRUE(read) << read.error().detail();
  EXPECT_EQ(to_text(*read), to_text(config));
  EXPECT_EQ(read->entrypoint, config.entrypoint);
}

TEST(Config, OfAnArtifactOfWasm) {
  const auto read =
      parse_config(R"({"created":"x","architecture":"wasm","os":"wasip1","layerDigests":[")" + kA + "\"]}");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->platform.to_string(), "wasip1/wasm");
  EXPECT_EQ(read->diff_ids.size(), 1u);
}

TEST(Config, RejectsWhatIsMalformed) {
  for (const std::string& bad :
       {"", "[]", R"({"os":1})", R"({"config":[]})", R"({"config":{"Entrypoint":"x"}})",
        R"({"config":{"Entrypoint":[1]}})", R"({"config":{"Labels":{"a":1}}})", R"({"rootfs":{"diff_ids":["x"]}})",
        R"({"rootfs":{"diff_ids":{}}})", R"({"rootfs":[]})"}) {
    EXPECT_FALSE(parse_config(bad)) << bad;
  }
}

TEST(Platform, IsParsed) {
  EXPECT_EQ(parse_platform("linux/arm64/v8")->to_string(), "linux/arm64/v8");
  for (const char* bad : {"", "linux", "linux/", "/amd64", "linux/amd64/", "a/b/c/d", "a b/c"}) {
    if (std::string_view(bad) == "linux/amd64/") continue;  // an empty variant is none
    EXPECT_FALSE(parse_platform(bad)) << bad;
  }
}

}  // namespace
}  // namespace berth::oci
