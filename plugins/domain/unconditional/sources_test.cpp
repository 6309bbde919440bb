#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <set>

#include "plugins/domain/unconditional/generated_source.h"
#include "plugins/domain/unconditional/source.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/random/draws.h"

namespace espalier::unconditional {
namespace {

namespace fs = std::filesystem;
using namespace images;

std::vector<std::int64_t> first(std::int64_t count, std::int64_t from = 0) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), from);
  return rows;
}

TEST(GeneratedSource, DrawsEveryImageOnceAndAllKindsAlikeOften) {
  const auto source = make_generated_source(0);
  EXPECT_EQ(source->height(), 16);
  std::set<Hex> distinct;
  std::vector<double> count(4, 0.0);
  for (const std::string& split : source->splits()) {
    const auto images = source->images(split);
    const Images::Batch batch = images->at(first(images->size()));
    EXPECT_GE(batch.image.min().item<float>(), 0.05F - 1e-6F);
    EXPECT_LE(batch.image.max().item<float>(), 1.0F + 1e-6F);
    for (std::int64_t i = 0; i < images->size(); ++i) {
      const at::Tensor image = batch.image[i].contiguous();
      distinct.insert(sha256({static_cast<const char*>(image.const_data_ptr()), image.nbytes()}));
      ++count[static_cast<std::size_t>(batch.label[static_cast<std::size_t>(i)])];
    }
  }
  EXPECT_EQ(distinct.size(), 5120U);
  double chi_square = 0.0;
  for (const double times : count) chi_square += (times - 1280.0) * (times - 1280.0) / 1280.0;
  EXPECT_LT(chi_square, 16.3) << "3 degrees of freedom, 0.1 %";
}

// Left and right are alike in law, above and below are not (triangles stand): the mean image's columns mirror each other.
TEST(GeneratedSource, ImagesStandUprightInTheMean) {
  const auto source = make_generated_source(0)->images("train");
  const at::Tensor images = source->at(first(4096)).image.squeeze(1);  // [N, 16, 16]
  const at::Tensor columns = images.mean(1);                           // [N, 16]
  const at::Tensor difference = columns - columns.flip({1});
  const at::Tensor standard_error = difference.std(0, /*unbiased=*/true) / 64.0;
  EXPECT_LT((difference.mean(0).abs() / standard_error.clamp_min(1e-9)).max().item<double>(), 4.0);
}

// An image with one object is ground + coverage x (brightness - ground), so its mass over the ground is the object's area times its
// contrast.
TEST(GeneratedSource, DrawsEveryKindWithItsOwnArea) {
  constexpr double kSize = 64.0, kPi = 3.14159265358979;
  const double unit_area[] = {kPi, kPi * (1.0 - 0.55 * 0.55), 4.0 * 0.9 * 0.9, 2.0};  // disc, ring, square, triangle, of radius 1
  const Images::Batch batch = make_generated_source(64)->images("train")->at(first(200));
  std::vector<std::uint64_t> positions(200);
  std::iota(positions.begin(), positions.end(), 0);
  random::Draws draws({0, random::Purpose::data, 0, 0}, positions);
  draws.begin(0);
  const at::Tensor uniform = draws.uniforms({16});
  std::set<std::int64_t> kinds;
  for (std::int64_t i = 0; i < 200; ++i) {
    if (uniform[i][0].item<double>() * 3.0 >= 1.0) continue;  // more than one object
    const std::int64_t kind = batch.label[static_cast<std::size_t>(i)];
    EXPECT_EQ(kind, static_cast<std::int64_t>(4.0 * uniform[i][1].item<double>()));
    const double radius = kSize * (0.12 + 0.16 * uniform[i][4].item<double>());
    const double contrast = 0.45 + 0.55 * uniform[i][5].item<double>() - 0.05;
    const double area = unit_area[kind] * radius * radius;
    EXPECT_NEAR(batch.image[i].sub(0.05).sum().item<double>() / contrast, area, 0.01 * area + 0.5) << i;
    kinds.insert(kind);
  }
  EXPECT_EQ(kinds.size(), 4U);
}

TEST(IdxSource, SplitsOneFileByRowNumbers) {
  const TempFolder folder;
  write_idx_folder(folder.path());
  const IdxFiles files{folder.path(), "train-images-idx3-ubyte", "", "train-labels-idx1-ubyte", "", {"even", "odd"}};
  const auto source = make_idx_source(files, {0.3, 0}, 0);
  const auto train = source->images("train"), held_out = source->images("held_out");
  ASSERT_EQ(train->size(), 4);
  ASSERT_EQ(held_out->size(), 2);
  // printf '0/%s' 3 | sha256sum, ...: rows 3 and 5 have the largest of the six
  const at::Tensor image = held_out->at({0, 1}).image;
  EXPECT_FLOAT_EQ(image[0][0][0][0].item<float>(), 30.0F / 255.0F);
  EXPECT_FLOAT_EQ(image[1][0][0][0].item<float>(), 50.0F / 255.0F);
  EXPECT_EQ(held_out->at({0, 1}).label, (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(make_idx_source(files, {}, 0)->splits(), (std::vector<std::string>{"train"}));
}

TEST(Split, IsOfNamesAndSeedAlone) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back(std::to_string(i));
  const auto train = folder::places_of("train", names, {0.25, 1}, "domain.unconditional"),
             held_out = folder::places_of("held_out", names, {0.25, 1}, "domain.unconditional");
  EXPECT_EQ(train.size(), 750U);
  std::set<std::int64_t> all(train.begin(), train.end());
  all.insert(held_out.begin(), held_out.end());
  EXPECT_EQ(all.size(), 1000U);
  EXPECT_NE(folder::places_of("held_out", names, {0.25, 2}, "domain.unconditional"), held_out);
  const double mean = std::accumulate(held_out.begin(), held_out.end(), 0.0) / 250.0;
  EXPECT_NEAR(mean, 499.5, 4.0 * 288.7 / std::sqrt(250.0));
}

TEST(FolderSource, TakesEveryPngInTheOrderOfItsPath) {
  const TempFolder folder;
  write_image_folder(folder.path());  // 0.png, 2.png, ..., more/1.png, ...; redness 20 i
  const auto source = make_folder_source(folder.path(), {}, 0);
  EXPECT_EQ(source->splits(), (std::vector<std::string>{"train"}));
  EXPECT_EQ(source->channels(), 3);
  const auto images = source->images("train");
  ASSERT_EQ(images->size(), 10);
  const at::Tensor red = images->at({1, 5}).image.select(1, 0);  // 2.png and more/1.png
  EXPECT_FLOAT_EQ(red[0][0][0].item<float>(), 40.0F / 255.0F);
  EXPECT_FLOAT_EQ(red[1][0][0].item<float>(), 20.0F / 255.0F);
  const Hex before = images->digest();
  write_file(folder / "4.png", plain_png(4, 4, 81));
  EXPECT_NE(make_folder_source(folder.path(), {}, 0)->images("train")->digest(), before);
}

// The same pixels compressed otherwise, and an IDX file unpacked, are the same data.
TEST(Source, IsKeyedByPixelsNotByBytes) {
  const TempFolder folder;
  write_image_folder(folder.path());
  const Hex before = make_folder_source(folder.path(), {}, 0)->images("train")->digest();
  const std::string png = plain_png(4, 4, 80);
  write_file(folder / "4.png", png.substr(0, 33) + std::string("\0\0\0\x04gAMA\0\x01\x86\xa0\x31\xe8\x96\x5f", 16) + png.substr(33));
  EXPECT_EQ(make_folder_source(folder.path(), {}, 0)->images("train")->digest(), before);

  const TempFolder plain, packed;
  write_idx_folder(plain.path());
  write_gzip(packed / "train-images-idx3-ubyte.gz", grey_images(6));
  write_gzip(packed / "train-labels-idx1-ubyte.gz", two_labels(6));
  const auto digest = [](const fs::path& path, std::vector<std::string> names) {
    return make_idx_source({path, "train-images-idx3-ubyte", "", "train-labels-idx1-ubyte", "", std::move(names)}, {}, 0)
        ->images("train")
        ->digest();
  };
  for (const std::vector<std::string>& names : {std::vector<std::string>{}, {"even", "odd"}}) {
    EXPECT_EQ(digest(plain.path(), names), digest(packed.path(), names));
  }
  write_gzip(packed / "train-labels-idx1-ubyte.gz", idx_bytes({6}, {1, 1, 0, 1, 0, 1}));
  EXPECT_NE(digest(plain.path(), {"even", "odd"}), digest(packed.path(), {"even", "odd"}));
}

// A folder of links, as DVC and the hub make them, and a link to a folder.
TEST(FolderSource, FollowsLinksAndCountsWhatItPassesOver) {
  const TempFolder folder, store;
  for (int i = 0; i < 3; ++i) write_file(store / (std::to_string(i) + ".png"), plain_png(4, 4, 1));
  write_file(folder / "a.png", plain_png(4, 4, 1));
  write_file(folder / ".thumbs/a.png", plain_png(2, 2, 1));
  fs::create_directory_symlink(store.path(), folder / "sub");
  const auto source = make_folder_source(folder.path(), {}, 0);
  EXPECT_EQ(source->images("train")->size(), 4);
  EXPECT_THAT(source->notes(), ::testing::ElementsAre(::testing::HasSubstr("1 hidden file or folder (.thumbs)")));
}

TEST(FolderSource, ReadsJpegsBesidePngs) {
  const TempFolder folder;
  write_file(folder / "a.jpg", colour_jpeg());
  write_file(folder / "b.png", plain_png(8, 8, 100));
  const auto source = make_folder_source(folder.path(), {}, 0);
  EXPECT_EQ(source->channels(), 3);
  const at::Tensor image = source->images("train")->at({0, 1}).image;
  EXPECT_FLOAT_EQ(image[0][0][0][7].item<float>(), 187.0F / 255.0F);
  write_file(folder / "b.png", grey_jpeg());
  write_file(folder / "a.jpg", grey_jpeg());
  EXPECT_EQ(make_folder_source(folder.path(), {}, 0)->channels(), 1);
}

TEST(FolderSource, HoldsOutImagesByTheirNames) {
  const TempFolder folder;
  write_image_folder(folder.path());
  const auto source = make_folder_source(folder.path(), {0.15, 0}, 0);
  const at::Tensor before = source->images("held_out")->at({0, 1}).image;
  EXPECT_EQ(source->images("held_out")->size(), 2);
  EXPECT_EQ(source->images("train")->size(), 8);
  for (int i = 0; i < 10; ++i) {
    const std::string name = (i % 2 == 0 ? "" : "more/") + std::to_string(i) + ".png";
    write_file(folder / name, plain_png(4, 4, static_cast<std::uint8_t>(200 - 20 * i)));
  }
  const at::Tensor after = make_folder_source(folder.path(), {0.15, 0}, 0)->images("held_out")->at({0, 1}).image;
  EXPECT_TRUE(before.select(1, 0).add(after.select(1, 0)).mul(255.0).round().eq(200.0).all().item<bool>()) << "contents do not matter";
}

TEST(FolderSource, BringsImagesToOneSize) {
  const TempFolder folder;
  write_file(folder / "wide.png", plain_png(12, 6, 200));
  write_file(folder / "a/small.PNG", plain_png(4, 4, 100));
  const auto source = make_folder_source(folder.path(), {}, 8);
  const at::Tensor image = source->images("train")->at({0, 1}).image;
  EXPECT_EQ(image.sizes().vec(), (std::vector<std::int64_t>{2, 3, 8, 8}));
  EXPECT_FLOAT_EQ(image[0][0][4][4].item<float>(), 100.0F / 255.0F);
}

// A data set in ESPALIER_DATA, or beside the checkout.
std::optional<fs::path> data_set(const std::string& name) {
  const char* base = std::getenv("ESPALIER_DATA");
  for (const fs::path& path :
       {base == nullptr ? fs::path() : fs::path(base) / name, fs::path(ESPALIER_SOURCE_DIR) / "../shared/data" / name}) {
    if (!path.empty() && fs::is_directory(path)) return path;
  }
  return std::nullopt;
}

TEST(IdxSource, ReadsTheOfficialFashionMnist) {
  const auto folder = data_set("fashion_mnist");
  if (!folder) GTEST_SKIP() << "no fashion_mnist in ESPALIER_DATA or ../shared/data (datasets/manifest.toml says where it comes from)";
  const auto source = make_idx_source({*folder, "train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "", "", {}}, {}, 0);
  EXPECT_EQ(source->channels(), 1);
  EXPECT_EQ(source->height(), 28);
  EXPECT_EQ(source->images("train")->size(), 60000);
  const auto images = source->images("held_out");
  ASSERT_EQ(images->size(), 10000);
  EXPECT_NEAR(images->at(first(10000)).image.mean().item<double>(), 0.2868, 5e-4);  // the test images' mean, as its users quote it
}

TEST(IdxSource, ReadsTheCrawlTiles) {
  const auto folder = data_set("crawl_tiles_32");
  if (!folder) GTEST_SKIP() << "no crawl_tiles_32 in ESPALIER_DATA or ../shared/data (datasets/manifest.toml says where it comes from)";
  const std::vector<std::string> names = {"UNUSED", "dngn", "effect", "gui", "item", "misc", "mon", "player"};
  const auto source = make_idx_source({*folder, "tiles-rgba-idx4-ubyte", "", "tiles-labels-idx1-ubyte", "", names}, {0.1, 0}, 0);
  EXPECT_EQ(source->channels(), 3);
  EXPECT_EQ(source->height(), 32);
  const auto train = source->images("train"), held_out = source->images("held_out");
  EXPECT_EQ(held_out->size(), 420);
  EXPECT_EQ(train->size(), 3775);
  std::vector<int> count(8, 0);
  for (const std::int64_t label : train->at(first(3775)).label) ++count[static_cast<std::size_t>(label)];
  for (const std::int64_t label : held_out->at(first(420)).label) ++count[static_cast<std::size_t>(label)];
  EXPECT_EQ(count, (std::vector<int>{265, 1105, 195, 274, 625, 220, 695, 816}));  // as tiles_index.csv.gz counts them
}

}  // namespace
}  // namespace espalier::unconditional
