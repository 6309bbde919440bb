#include "plugins/shared/image_sources/idx_source.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "plugins/shared/image_sources/test_sources.h"
#include "plugins/shared/images/idx.h"
#include "plugins/shared/images/test_files.h"

namespace espalier::images {
namespace {

const std::vector<std::string> kParity = {"even", "odd"};

TEST(IdxSource, ReadsPlainAndGzippedFilesAlike) {
  TempFolder folder;
  write_idx_folder(folder.path());
  write_gzip(folder / "same.gz", grey_images(6));
  EXPECT_TRUE(read_idx(folder / "same.gz", 3).equal(read_idx(folder / "train-images-idx3-ubyte", 3)));
  EXPECT_EQ(read_idx_sizes(folder / "same.gz", 3), (std::vector<std::int64_t>{6, 4, 4}));
  EXPECT_EQ(find_idx(folder.path(), "same"), folder / "same.gz");
}

TEST(IdxSource, PairsImagesWithTheirLabels) {
  TempFolder folder;
  write_idx_folder(folder.path());
  const auto files = idx_files(folder.path(), kParity);
  const auto source = make_idx_source(kPlugin, files, {}, 0);
  const auto captions = source->captions("held_out");
  EXPECT_EQ(captions.text, kParity);
  EXPECT_EQ(captions.metadata.at(1), Value(Value::Map{{"label", 1}, {"class", "odd"}}));
  const auto images = source->images("train");
  ASSERT_EQ(images->size(), 6);
  const auto batch = images->at({5, 2});
  EXPECT_EQ(batch.caption, (std::vector<std::int64_t>{1, 0}));
  EXPECT_FLOAT_EQ(batch.image[0][0][3][3].item<float>(), 50.0F / 255.0F);
  EXPECT_EQ(source->images("held_out")->size(), 4);
  const auto resized = make_idx_source(kPlugin, files, {}, 8);
  EXPECT_EQ(resized->height(), 8);
  EXPECT_NEAR(resized->images("train")->at({5}).image[0][0][7][0].item<float>(), 50.0F / 255.0F, 1e-6);
  EXPECT_EQ(make_idx_source(kPlugin, train_files(folder.path(), kParity), {}, 0)->splits(), (std::vector<std::string>{"train"}));
}

TEST(IdxSource, SplitsOneFileByRowNumbers) {
  const TempFolder folder;
  write_idx_folder(folder.path());
  const auto files = train_files(folder.path(), kParity);
  const auto source = make_idx_source(kPlugin, files, {0.3, 0}, 0);
  const auto train = source->images("train"), held_out = source->images("held_out");
  ASSERT_EQ(train->size(), 4);
  ASSERT_EQ(held_out->size(), 2);
  // printf '0/%s' 3 | sha256sum, ...: rows 3 and 5 have the largest of the six
  const at::Tensor image = held_out->at({0, 1}).image;
  EXPECT_FLOAT_EQ(image[0][0][0][0].item<float>(), 30.0F / 255.0F);
  EXPECT_FLOAT_EQ(image[1][0][0][0].item<float>(), 50.0F / 255.0F);
  EXPECT_EQ(held_out->at({0, 1}).caption, (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(make_idx_source(kPlugin, files, {}, 0)->splits(), (std::vector<std::string>{"train"}));
}

// The same pixels and labels, unpacked, are the same data.
TEST(IdxSource, IsKeyedByWhatItShowsNotByBytes) {
  const TempFolder plain, packed;
  write_idx_folder(plain.path());
  write_gzip(packed / "train-images-idx3-ubyte.gz", grey_images(6));
  write_gzip(packed / "train-labels-idx1-ubyte.gz", two_labels(6));
  const auto digest = [](const fs::path& path, std::vector<std::string> names) {
    return make_idx_source(kPlugin, train_files(path, std::move(names)), {}, 0)->images("train")->digest();
  };
  for (const std::vector<std::string>& names : {std::vector<std::string>{}, kParity}) {
    EXPECT_EQ(digest(plain.path(), names), digest(packed.path(), names));
  }
  write_gzip(packed / "train-labels-idx1-ubyte.gz", idx_bytes({6}, {1, 1, 0, 1, 0, 1}));
  EXPECT_NE(digest(plain.path(), kParity), digest(packed.path(), kParity));
}

constexpr const char* kNoData = " is not in ESPALIER_DATA (datasets/manifest.toml says where it comes from)";

TEST(IdxSource, ReadsTheOfficialFashionMnist) {
  const auto folder = data_set("fashion_mnist");
  if (!folder) GTEST_SKIP() << "fashion_mnist" << kNoData;
  const auto source = make_idx_source(kPlugin, idx_files(*folder, std::vector<std::string>(10, "thing")), {}, 0);
  const auto images = source->images("train");
  ASSERT_EQ(images->size(), 60000);
  std::map<std::int64_t, int> count;
  double sum = 0.0, squares = 0.0;
  for (std::uint64_t start = 0; start < 60000; start += 6000) {
    const auto batch = images->at(first(6000, start));
    for (const std::int64_t label : batch.caption) ++count[label];
    sum += batch.image.sum().item<double>();
    squares += batch.image.square().sum().item<double>();
  }
  const double mean = sum / (60000.0 * 784.0);
  EXPECT_NEAR(mean, 0.2860, 5e-5);  // as the data set's users quote it
  EXPECT_NEAR(std::sqrt(squares / (60000.0 * 784.0) - mean * mean), 0.3530, 5e-5);
  for (const auto& [label, times] : count) EXPECT_EQ(times, 6000) << label;
  EXPECT_EQ(source->images("held_out")->size(), 10000);
}

TEST(IdxSource, ReadsTheOfficialFashionMnistWithoutItsLabels) {
  const auto folder = data_set("fashion_mnist");
  if (!folder) GTEST_SKIP() << "fashion_mnist" << kNoData;
  auto files = idx_files(*folder, {});
  files.train_labels = files.test_labels = "";
  const auto source = make_idx_source(kPlugin, files, {}, 0);
  EXPECT_EQ(source->channels(), 1);
  EXPECT_EQ(source->height(), 28);
  EXPECT_EQ(source->images("train")->size(), 60000);
  const auto images = source->images("held_out");
  ASSERT_EQ(images->size(), 10000);
  EXPECT_NEAR(images->at(first(10000)).image.mean().item<double>(), 0.2868, 5e-4);  // the test images' mean, as its users quote it
}

TEST(IdxSource, ReadsTheCrawlTiles) {
  const auto folder = data_set("crawl_tiles_32");
  if (!folder) GTEST_SKIP() << "crawl_tiles_32" << kNoData;
  const std::vector<std::string> names = {"UNUSED", "dngn", "effect", "gui", "item", "misc", "mon", "player"};
  const auto source = make_idx_source(kPlugin, {*folder, "tiles-rgba-idx4-ubyte", "tiles-labels-idx1-ubyte", "", "", names}, {0.1, 0}, 0);
  EXPECT_EQ(source->channels(), 3);
  EXPECT_EQ(source->height(), 32);
  const auto train = source->images("train"), held_out = source->images("held_out");
  EXPECT_EQ(held_out->size(), 420);
  EXPECT_EQ(train->size(), 3775);
  std::vector<int> count(8, 0);
  for (const std::int64_t label : train->at(first(3775)).caption) ++count[static_cast<std::size_t>(label)];
  for (const std::int64_t label : held_out->at(first(420)).caption) ++count[static_cast<std::size_t>(label)];
  EXPECT_EQ(count, (std::vector<int>{265, 1105, 195, 274, 625, 220, 695, 816}));  // as tiles_index.csv.gz counts them
}

}  // namespace
}  // namespace espalier::images
