#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>
#include <set>

#include "plugins/shared/image_sources/generated_source.h"
#include "plugins/shared/image_sources/plain_folder.h"
#include "plugins/shared/image_sources/test_sources.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/random/draws.h"

namespace espalier::images {
namespace {

TEST(GeneratedSource, DrawsEveryImageOnceAndAllKindsAlikeOften) {
  const auto source = make_generated_source(0);
  EXPECT_EQ(source->height(), 16);
  std::set<Hex> distinct;
  std::vector<double> count(4, 0.0);
  for (const std::string& split : source->splits()) {
    const auto images = source->images(split);
    const Images::Batch batch = images->at(first(static_cast<std::uint64_t>(images->size())));
    EXPECT_GE(batch.image.min().item<float>(), 0.05F - 1e-6F);
    EXPECT_LE(batch.image.max().item<float>(), 1.0F + 1e-6F);
    for (std::int64_t i = 0; i < images->size(); ++i) {
      const at::Tensor image = batch.image[i].contiguous();
      distinct.insert(sha256({static_cast<const char*>(image.const_data_ptr()), image.nbytes()}));
      ++count[static_cast<std::size_t>(batch.caption[static_cast<std::size_t>(i)])];
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
  random::Draws draws({0, random::Purpose::data, 0, 0}, first(200));
  draws.begin(0);
  const at::Tensor uniform = draws.uniforms({16});
  std::set<std::int64_t> kinds;
  for (std::int64_t i = 0; i < 200; ++i) {
    if (uniform[i][0].item<double>() * 3.0 >= 1.0) continue;  // more than one object
    const std::int64_t kind = batch.caption[static_cast<std::size_t>(i)];
    EXPECT_EQ(kind, static_cast<std::int64_t>(4.0 * uniform[i][1].item<double>()));
    const double radius = kSize * (0.12 + 0.16 * uniform[i][4].item<double>());
    const double contrast = 0.45 + 0.55 * uniform[i][5].item<double>() - 0.05;
    const double area = unit_area[kind] * radius * radius;
    EXPECT_NEAR(batch.image[i].sub(0.05).sum().item<double>() / contrast, area, 0.01 * area + 0.5) << i;
    kinds.insert(kind);
  }
  EXPECT_EQ(kinds.size(), 4U);
}

TEST(Split, IsOfNamesAndSeedAlone) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back(std::to_string(i));
  const auto train = folder::places_of("train", names, {0.25, 1}, kPlugin),
             held_out = folder::places_of("held_out", names, {0.25, 1}, kPlugin);
  EXPECT_EQ(train.size(), 750U);
  std::set<std::int64_t> all(train.begin(), train.end());
  all.insert(held_out.begin(), held_out.end());
  EXPECT_EQ(all.size(), 1000U);
  EXPECT_NE(folder::places_of("held_out", names, {0.25, 2}, kPlugin), held_out);
  const double mean = std::accumulate(held_out.begin(), held_out.end(), 0.0) / 250.0;
  EXPECT_NEAR(mean, 499.5, 4.0 * 288.7 / std::sqrt(250.0));
}

TEST(PlainFolder, TakesEveryPngInTheOrderOfItsPath) {
  const TempFolder folder;
  write_image_folder(folder.path());  // 0.png, 2.png, ..., more/1.png, ...; redness 20 i
  const auto source = make_plain_folder_source(kPlugin, folder.path(), {}, 0);
  EXPECT_EQ(source->splits(), (std::vector<std::string>{"train"}));
  EXPECT_EQ(source->channels(), 3);
  const auto images = source->images("train");
  ASSERT_EQ(images->size(), 10);
  const at::Tensor red = images->at({1, 5}).image.select(1, 0);  // 2.png and more/1.png
  EXPECT_FLOAT_EQ(red[0][0][0].item<float>(), 40.0F / 255.0F);
  EXPECT_FLOAT_EQ(red[1][0][0].item<float>(), 20.0F / 255.0F);
  const Hex before = images->digest();
  write_file(folder / "4.png", plain_png(4, 4, 81));
  EXPECT_NE(make_plain_folder_source(kPlugin, folder.path(), {}, 0)->images("train")->digest(), before);
}

// The same pixels compressed otherwise are the same data.
TEST(PlainFolder, IsKeyedByPixelsNotByBytes) {
  const TempFolder folder;
  write_image_folder(folder.path());
  const Hex before = make_plain_folder_source(kPlugin, folder.path(), {}, 0)->images("train")->digest();
  const std::string png = plain_png(4, 4, 80);
  write_file(folder / "4.png", png.substr(0, 33) + std::string("\0\0\0\x04gAMA\0\x01\x86\xa0\x31\xe8\x96\x5f", 16) + png.substr(33));
  EXPECT_EQ(make_plain_folder_source(kPlugin, folder.path(), {}, 0)->images("train")->digest(), before);
}

// A folder of links, as DVC and the hub make them, and a link to a folder.
TEST(PlainFolder, FollowsLinksAndCountsWhatItPassesOver) {
  const TempFolder folder, store;
  for (int i = 0; i < 3; ++i) write_file(store / (std::to_string(i) + ".png"), plain_png(4, 4, 1));
  write_file(folder / "a.png", plain_png(4, 4, 1));
  write_file(folder / ".thumbs/a.png", plain_png(2, 2, 1));
  fs::create_directory_symlink(store.path(), folder / "sub");
  const auto source = make_plain_folder_source(kPlugin, folder.path(), {}, 0);
  EXPECT_EQ(source->images("train")->size(), 4);
  EXPECT_THAT(source->notes(), ::testing::ElementsAre(::testing::HasSubstr("1 hidden file or folder (.thumbs)")));
}

TEST(PlainFolder, ReadsJpegsBesidePngs) {
  const TempFolder folder;
  write_file(folder / "a.jpg", colour_jpeg());
  write_file(folder / "b.png", plain_png(8, 8, 100));
  const auto source = make_plain_folder_source(kPlugin, folder.path(), {}, 0);
  EXPECT_EQ(source->channels(), 3);
  const at::Tensor image = source->images("train")->at({0, 1}).image;
  EXPECT_FLOAT_EQ(image[0][0][0][7].item<float>(), 187.0F / 255.0F);
  write_file(folder / "b.png", grey_jpeg());
  write_file(folder / "a.jpg", grey_jpeg());
  EXPECT_EQ(make_plain_folder_source(kPlugin, folder.path(), {}, 0)->channels(), 1);
}

TEST(PlainFolder, HoldsOutImagesByTheirNames) {
  const TempFolder folder;
  write_image_folder(folder.path());
  const auto source = make_plain_folder_source(kPlugin, folder.path(), {0.15, 0}, 0);
  const at::Tensor before = source->images("held_out")->at({0, 1}).image;
  EXPECT_EQ(source->images("held_out")->size(), 2);
  EXPECT_EQ(source->images("train")->size(), 8);
  for (int i = 0; i < 10; ++i) {
    const std::string name = (i % 2 == 0 ? "" : "more/") + std::to_string(i) + ".png";
    write_file(folder / name, plain_png(4, 4, static_cast<std::uint8_t>(200 - 20 * i)));
  }
  const at::Tensor after = make_plain_folder_source(kPlugin, folder.path(), {0.15, 0}, 0)->images("held_out")->at({0, 1}).image;
  EXPECT_TRUE(before.select(1, 0).add(after.select(1, 0)).mul(255.0).round().eq(200.0).all().item<bool>()) << "contents do not matter";
}

TEST(PlainFolder, BringsImagesToOneSize) {
  const TempFolder folder;
  write_file(folder / "wide.png", plain_png(12, 6, 200));
  write_file(folder / "a/small.PNG", plain_png(4, 4, 100));
  const auto source = make_plain_folder_source(kPlugin, folder.path(), {}, 8);
  const at::Tensor image = source->images("train")->at({0, 1}).image;
  EXPECT_EQ(image.sizes().vec(), (std::vector<std::int64_t>{2, 3, 8, 8}));
  EXPECT_FLOAT_EQ(image[0][0][4][4].item<float>(), 100.0F / 255.0F);
}

}  // namespace
}  // namespace espalier::images
