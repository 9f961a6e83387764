#include "oci/store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace berth::oci {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    char name[] = "/tmp/berth-store-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~StoreTest() override { fs::remove_all(folder_); }

  Store open() { return std::move(*Store::open(folder_ + "/images")); }
  // An image of one layer, added and named.
  Descriptor add_image(const Store& store, const std::string& name, const std::string& layer) {
    const std::string config = R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}})";
    Manifest manifest{
        std::string(media::kManifest), describe(config, media::kConfig), {describe(layer, media::kTar)}, {}};
    const std::string text = to_text(manifest);
    for (const std::string& blob : {config, layer, text}) EXPECT_TRUE(store.add(blob, digest_of(blob)));
    const Descriptor descriptor = describe(text, media::kManifest);
    EXPECT_TRUE(store.set_name(name, descriptor));
    return descriptor;
  }
  size_t blobs() {
    size_t n = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_ + "/images/blobs/sha256")) ++n;
    return n;
  }

  std::string folder_;
};

TEST_F(StoreTest, NamesAndFindsImages) {
  const Store store = open();
  const Descriptor one = add_image(store, "localhost/a:1", "one");
  const Descriptor two = add_image(store, "localhost/a:2", "two");
  EXPECT_EQ((*store.find(*parse_reference("a:1")))->digest, one.digest);
  EXPECT_EQ((*store.find(*parse_reference("a@" + two.digest.to_string())))->digest, two.digest);
  EXPECT_FALSE(*store.find(*parse_reference("a:1@" + two.digest.to_string())));
  EXPECT_FALSE(*store.find(*parse_reference("a:3")));
  EXPECT_TRUE(store.set_name("localhost/a:1", two));
  EXPECT_EQ((*store.find(*parse_reference("a:1")))->digest, two.digest);
  EXPECT_EQ(store.entries()->size(), 2u);
}

TEST_F(StoreTest, CollectsWhatNoNameReaches) {
  Store store = open();
  add_image(store, "localhost/a:1", "one");
  add_image(store, "localhost/a:2", "two");
  EXPECT_EQ(blobs(), 5u);  // the configuration is shared
  EXPECT_EQ(*store.remove_name("localhost/a:2"), true);
  EXPECT_EQ(*store.remove_name("localhost/a:2"), false);
  EXPECT_EQ(store.collect()->blobs, 2u);
  EXPECT_EQ(blobs(), 3u);
  const Store other = open();
  EXPECT_EQ(*store.remove_name("localhost/a:1"), true);
  EXPECT_TRUE(store.collect()->busy);
  EXPECT_EQ(blobs(), 3u);
}

TEST_F(StoreTest, NoticesDamage) {
  const Store store = open();
  const Descriptor image = add_image(store, "localhost/a:1", "one");
  std::ofstream(store.blob_path(image.digest), std::ios::app) << " ";
  const auto read = store.read_manifest(image);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().detail().find("is damaged"), std::string::npos);
  EXPECT_FALSE(store.has(image));
}

TEST_F(StoreTest, TakesBlobsInPieces) {
  const Store store = open();
  const std::string blob = "hello, world";
  const Descriptor descriptor = describe(blob, media::kTar);
  {
    auto writer = BlobWriter::open(store, descriptor);
    ASSERT_TRUE(writer);
    EXPECT_TRUE(writer->write(blob.substr(0, 5)));
    EXPECT_FALSE(writer->finish());
  }
  EXPECT_FALSE(store.has(descriptor));
  auto writer = BlobWriter::open(store, descriptor);
  ASSERT_TRUE(writer);
  EXPECT_EQ(writer->size(), 5u);
  EXPECT_TRUE(writer->write(blob.substr(5)));
  EXPECT_TRUE(writer->finish());
  EXPECT_EQ(*store.read(descriptor, 100), blob);
  EXPECT_TRUE(fs::is_empty(folder_ + "/images/ingest"));
}

TEST_F(StoreTest, DiscardsWhatIsNotWhatItShouldBe) {
  const Store store = open();
  const Descriptor descriptor = describe("hello", media::kTar);
  auto writer = BlobWriter::open(store, descriptor);
  EXPECT_TRUE(writer->write("hallo"));
  const auto done = writer->finish();
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().detail().find("its digest is sha256:"), std::string::npos);
  auto longer = BlobWriter::open(store, descriptor);
  EXPECT_EQ(longer->size(), 0u);
  EXPECT_FALSE(longer->write("hello!"));
  EXPECT_TRUE(fs::is_empty(folder_ + "/images/ingest"));
  EXPECT_FALSE(store.has(descriptor));
}

TEST_F(StoreTest, IsSafeUnderConcurrentWriters) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, t] {
      const Store store = open();
      for (int i = 0; i < 10; ++i) {
        const std::string blob(1000, static_cast<char>('a' + i));
        const Descriptor descriptor = describe(blob, media::kTar);
        auto writer = BlobWriter::open(store, descriptor);
        ASSERT_TRUE(writer);
        if (store.has(descriptor)) {
          writer->discard();
        } else {
          EXPECT_TRUE(writer->write(std::string_view(blob).substr(writer->size())));
          EXPECT_TRUE(writer->finish());
        }
        EXPECT_TRUE(store.set_name("localhost/t:" + std::to_string(t) + "-" + std::to_string(i), descriptor));
      }
    });
  }
  threads.clear();
  EXPECT_EQ(open().entries()->size(), 80u);
  EXPECT_EQ(blobs(), 10u);
  EXPECT_TRUE(fs::is_empty(folder_ + "/images/ingest"));
}

}  // namespace
}  // namespace berth::oci
