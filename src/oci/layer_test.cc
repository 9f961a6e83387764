#include "oci/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace berth::oci {
namespace {

namespace fs = std::filesystem;

class LayerTest : public testing::Test {
 protected:
  LayerTest() {
    char name[] = "/tmp/berth-layer-XXXXXX";
    folder_ = mkdtemp(name);
    fs::create_directory(folder_ + "/root");
    store_.emplace(std::move(*Store::open(folder_ + "/images")));
  }
  ~LayerTest() override { fs::remove_all(folder_); }

  // Empty when it worked.
  std::string unpacked(const std::string& bytes, std::string_view type, const UnpackLimits& limits = {},
                       const Digest* diff_id = nullptr) {
    const Descriptor descriptor = describe(bytes, type);
    EXPECT_TRUE(store_->add(bytes, descriptor.digest));
    const auto done = unpack(*store_, descriptor, diff_id, folder_ + "/root", limits);
    return done ? "" : done.error().detail();
  }
  std::string read(const std::string& path) {
    std::ifstream file(folder_ + "/root" + path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  struct Entry {
    std::string path;
    u32 type;
    std::string contents;  // or where a link leads
    bool hard = false;
  };
  static std::string tar(const std::vector<Entry>& entries) {
    std::string out(1 << 20, '\0');
    size_t used = 0;
    archive* a = archive_write_new();
    archive_write_set_format_pax(a);
    archive_write_open_memory(a, out.data(), out.size(), &used);
    for (const Entry& entry : entries) {
      archive_entry* e = archive_entry_new();
      archive_entry_set_pathname(e, entry.path.c_str());
      archive_entry_set_filetype(e, entry.type);
      archive_entry_set_perm(e, 04755);
      if (entry.hard) archive_entry_set_hardlink(e, entry.contents.c_str());
      if (entry.type == AE_IFLNK) archive_entry_set_symlink(e, entry.contents.c_str());
      const bool has_data = entry.type == AE_IFREG && !entry.hard;
      archive_entry_set_size(e, has_data ? static_cast<la_int64_t>(entry.contents.size()) : 0);
      archive_write_header(a, e);
      if (has_data) archive_write_data(a, entry.contents.data(), entry.contents.size());
      archive_entry_free(e);
    }
    archive_write_close(a);
    archive_write_free(a);
    out.resize(used);
    return out;
  }

  std::string folder_;
  std::optional<Store> store_;
};

TEST_F(LayerTest, IsTheSameFromTheSameFiles) {
  const auto one = make_layer({{"/a/b", "x", 0644, {}}, {"/app.wasm", "y", 0755, {}}}, 0);
  const auto two = make_layer({{"/app.wasm", "y", 0755, {}}, {"/a/b", "x", 0644, {}}}, 0);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->descriptor.digest, two->descriptor.digest);
  EXPECT_NE(one->descriptor.digest, make_layer({{"/a/b", "x", 0644, {}}}, 0)->descriptor.digest);
  EXPECT_NE(one->diff_id, one->descriptor.digest);
}

TEST_F(LayerTest, GoesThereAndBack) {
  for (const Compression compression : {Compression::Gzip, Compression::Zstd, Compression::None}) {
    const std::string large(3'000'000, 'z');
    const auto layer =
        make_layer({{"/deep/er/file", large, 0600, {}}, {"/app.wasm", "y", 0755, {}}, {"/link", {}, 0777, "app.wasm"}},
                   5, compression);
    ASSERT_TRUE(layer);
    EXPECT_EQ(unpacked(layer->bytes, layer->descriptor.media_type, {}, &layer->diff_id), "");
    EXPECT_EQ(read("/deep/er/file"), large);
    EXPECT_EQ(read("/link"), "y");
    EXPECT_EQ(fs::status(folder_ + "/root/app.wasm").permissions(), fs::perms(0755));
  }
}

TEST_F(LayerTest, RefusesPathsThatAreNone) {
  for (const char* bad : {"app", "/", "/a/", "/a//b", "/../a", "/a/..", "/.", "/.wh.x", ""})
    EXPECT_FALSE(make_layer({{bad, "x", 0644, {}}}, 0)) << bad;
  EXPECT_FALSE(make_layer({{"/a", "x", 0644, {}}, {"/a", "y", 0644, {}}}, 0));
  EXPECT_FALSE(make_layer({{"/a", "x", 0644, {}}, {"/a/b", "y", 0644, {}}}, 0));
}

TEST_F(LayerTest, StaysWithinItsFolder) {
  std::ofstream(folder_ + "/secret") << "untouched";
  for (const auto& entries : std::vector<std::vector<Entry>>{
           {{"../secret", AE_IFREG, "evil"}},
           {{"a/../../secret", AE_IFREG, "evil"}},
           {{"/../secret", AE_IFREG, "evil"}},
           {{"out", AE_IFLNK, ".."}, {"out/secret", AE_IFREG, "evil"}},
           {{"out", AE_IFLNK, folder_}, {"out/secret", AE_IFREG, "evil"}},
           {{"file", AE_IFLNK, "../secret"}, {"file", AE_IFREG, "evil"}},
           {{"hard", AE_IFREG, "../secret", true}, {"hard", AE_IFREG, "evil"}},
           {{"l", AE_IFLNK, "../secret"}, {"hard", AE_IFREG, "l", true}, {"hard", AE_IFREG, "evil"}},
           {{"out", AE_IFLNK, ".."}, {"out/.wh.secret", AE_IFREG, ""}},
           {{".wh.", AE_IFREG, ""}},
           {{".wh...", AE_IFREG, ""}},
           {{"a/.wh.", AE_IFREG, ""}}}) {
    unpacked(tar(entries), media::kTar);
    std::ifstream file(folder_ + "/secret");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "untouched") << entries[0].path;
    ASSERT_TRUE(fs::exists(folder_ + "/root"));
    fs::remove_all(folder_ + "/root");
    fs::create_directory(folder_ + "/root");
  }
}

TEST_F(LayerTest, TakesAwayWhatWhiteoutsName) {
  EXPECT_EQ(
      unpacked(tar({{"a/one", AE_IFREG, "1"}, {"a/two", AE_IFREG, "2"}, {"b/c/three", AE_IFREG, "3"}}), media::kTar),
      "");
  EXPECT_EQ(unpacked(tar({{"a/.wh.one", AE_IFREG, ""}, {".wh.b", AE_IFREG, ""}}), media::kTar), "");
  EXPECT_EQ(read("/a/two"), "2");
  EXPECT_FALSE(fs::exists(folder_ + "/root/a/one"));
  EXPECT_FALSE(fs::exists(folder_ + "/root/b"));
  EXPECT_EQ(unpacked(tar({{"a/.wh..wh..opq", AE_IFREG, ""}, {"a/new", AE_IFREG, "n"}}), media::kTar), "");
  EXPECT_FALSE(fs::exists(folder_ + "/root/a/two"));
  EXPECT_EQ(read("/a/new"), "n");
}

TEST_F(LayerTest, DropsSpecialBitsAndFiles) {
  EXPECT_EQ(unpacked(tar({{"suid", AE_IFREG, "x"}, {"fifo", AE_IFIFO, ""}, {"null", AE_IFCHR, ""}}), media::kTar), "");
  EXPECT_EQ(fs::status(folder_ + "/root/suid").permissions(), fs::perms(0755));
  EXPECT_FALSE(fs::exists(folder_ + "/root/fifo"));
  EXPECT_FALSE(fs::exists(folder_ + "/root/null"));
}

TEST_F(LayerTest, RefusesBombsAndDamage) {
  const auto bomb = make_layer({{"/zeros", std::string(50'000'000, '\0'), 0644, {}}}, 0);
  EXPECT_NE(unpacked(bomb->bytes, media::kTarGzip, {.bytes = 1'000'000}), "");
  EXPECT_NE(unpacked(tar({{"a", AE_IFREG, ""}, {"b", AE_IFREG, ""}}), media::kTar, {.entries = 1}), "");
  EXPECT_NE(unpacked("no tar at all", media::kTar), "");
  EXPECT_NE(unpacked(bomb->bytes.substr(0, bomb->bytes.size() / 2), media::kTarGzip), "");
  const auto good = make_layer({{"/a", "x", 0644, {}}}, 0);
  const Digest other = digest_of("other");
  EXPECT_NE(unpacked(good->bytes, media::kTarGzip, {}, &other).find("not those that the image's configuration names"),
            std::string::npos);
  EXPECT_NE(unpacked(good->bytes, media::kWasm), "");
  std::ofstream(store_->blob_path(good->descriptor.digest), std::ios::app) << "tail";
  const auto damaged = unpack(*store_, good->descriptor, nullptr, folder_ + "/root");
  ASSERT_FALSE(damaged);
}

}  // namespace
}  // namespace berth::oci
