#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>

#include "plugins/shared/folder/data.h"
#include "plugins/shared/folder/data_variable.h"
#include "plugins/shared/images/idx.h"
#include "plugins/shared/images/idx_images.h"
#include "plugins/shared/images/image.h"
#include "plugins/shared/images/image_file.h"
#include "plugins/shared/images/image_folder.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"

namespace espalier::images {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// A grey PNG of 2 x 1 pixels, 10 and 200, made by Python's zlib as the format's specification says.
const std::string kGreyPng(
    "\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x02\x00\x00\x00\x01\x08\x00\x00\x00\x00\xd1\x49\x20\x56"
    "\x00"
    "\x00\x00\x0b\x49\x44\x41\x54\x78\xda\x63\xe0\x3a\x01\x00\x00\xdf\x00\xd3\xd8\x85\xd2\xae\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60"
    "\x82",
    68);

TEST(IdxImages, ReadGreyAndColour) {
  const TempFolder folder;
  write_file(folder / "grey", grey_images(6));
  const IdxImages grey(folder / "grey", 0);
  EXPECT_EQ(grey.channels(), 1);
  EXPECT_EQ(grey.size(), 6);
  EXPECT_FLOAT_EQ(grey.at({5})[0][0][3][3].item<float>(), 50.0F / 255.0F);
  write_file(folder / "rgb", idx_bytes({1, 2, 1, 3}, {10, 20, 30, 40, 50, 60}));
  const IdxImages rgb(folder / "rgb", 0);
  EXPECT_EQ(rgb.channels(), 3);
  EXPECT_EQ(rgb.height(), 2);
  EXPECT_EQ(rgb.width(), 1);
  const at::Tensor image = rgb.at({0});
  EXPECT_EQ(image.sizes().vec(), (std::vector<std::int64_t>{1, 3, 2, 1}));
  EXPECT_FLOAT_EQ(image[0][2][0][0].item<float>(), 30.0F / 255.0F);
  EXPECT_FLOAT_EQ(image[0][0][1][0].item<float>(), 40.0F / 255.0F);
}

TEST(IdxImages, LayTransparentPixelsOverBlack) {
  const TempFolder folder;
  std::string pixels;
  for (const int byte : {200, 100, 50, 255, 200, 100, 51, 128, 200, 100, 50, 0}) pixels.push_back(static_cast<char>(byte));
  write_file(folder / "rgba", idx_bytes({1, 1, 3, 4}, pixels));
  const at::Tensor bytes = IdxImages(folder / "rgba", 0).at({0}).mul(255.0).round();  // [1, 3, 1, 3]
  // 200 x 128 / 255 = 100.4, 100 x 128 / 255 = 50.2, 51 x 128 / 255 = 25.6
  const float expected[3][3] = {{200, 100, 0}, {100, 50, 0}, {50, 26, 0}};
  for (int c = 0; c < 3; ++c) {
    for (int x = 0; x < 3; ++x) EXPECT_EQ(bytes[0][c][0][x].item<float>(), expected[c][x]) << c << ", " << x;
  }
}

TEST(IdxImages, RefuseWhatIsNoImage) {
  const TempFolder folder;
  write_file(folder / "two", idx_bytes({1, 1, 1, 2}, "xx"));
  EXPECT_THAT([&] { IdxImages(folder / "two", 0); }, ThrowsMessage<DataError>(AllOf(HasSubstr("two"), HasSubstr("2 channels"))));
  write_file(folder / "flat", two_labels(6));
  EXPECT_THAT([&] { IdxImages(folder / "flat", 0); }, ThrowsMessage<DataError>(HasSubstr("starts with 00000801")));
  write_file(folder / "short", "ab");
  EXPECT_THROW(IdxImages(folder / "short", 0), DataError);
  EXPECT_EQ(read_idx_rank(folder / "short"), 0U);
  write_file(folder / "other", idx_bytes({1, 2, 2}, "xxxx"));
  write_file(folder / "grey", grey_images(2));
  EXPECT_THAT([&] { require_same_size(IdxImages(folder / "other", 0), IdxImages(folder / "grey", 0)); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("2 x 2"), HasSubstr("4 x 4"))));
}

// Rows of nothing: a few bytes of gzip that would unpack to 300 MB.
TEST(IdxImages, AreBoundedByTheirFile) {
  const TempFolder folder;
  write_gzip(folder / "bomb.gz", idx_bytes({300, 1000, 1000}, std::string(1000, '\0')));
  EXPECT_THAT([&] { IdxImages(folder / "bomb.gz", 0); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("bomb.gz"), HasSubstr("promises 300000000 bytes; a gzip"))));
  write_file(folder / "plain", idx_bytes({300, 1000, 1000}, std::string(1000, '\0')));
  EXPECT_THAT([&] { IdxImages(folder / "plain", 0); }, ThrowsMessage<DataError>(HasSubstr("ends after 1000 of the 300000000 bytes")));
  write_file(folder / "long", grey_images(6) + "x");
  EXPECT_THAT([&] { IdxImages(folder / "long", 0); }, ThrowsMessage<DataError>(HasSubstr("goes on after the 96 bytes")));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT([&] { IdxImages(folder / "pipe", 0); }, ThrowsMessage<DataError>(HasSubstr("pipe: is a pipe, not a regular file")));
}

TEST(IdxImages, HaveADigestOfWhatTheyShow) {
  const TempFolder folder;
  write_file(folder / "plain", grey_images(6));
  write_gzip(folder / "packed.gz", grey_images(6));
  write_file(folder / "other", grey_images(7));
  const Hex digest = IdxImages(folder / "plain", 0).digest();
  EXPECT_EQ(IdxImages(folder / "packed.gz", 0).digest(), digest);
  EXPECT_NE(IdxImages(folder / "other", 0).digest(), digest);
  write_file(folder / "wide", idx_bytes({6, 2, 8}, grey_images(6).substr(16)));
  EXPECT_NE(IdxImages(folder / "wide", 0).digest(), digest);
}

TEST(FolderImages, KnowGreyFilesByTheirHeader) {
  const TempFolder folder;
  write_file(folder / "grey.png", kGreyPng);
  write_file(folder / "red.png", plain_png(2, 1, 77));
  const ImageHeader grey = read_image_header(folder / "grey.png"), red = read_image_header(folder / "red.png");
  EXPECT_TRUE(grey.grey);
  EXPECT_EQ(grey.width, 2);
  EXPECT_EQ(grey.height, 1);
  EXPECT_FALSE(red.grey);
  const at::Tensor image = FolderImages(folder.path(), {"grey.png"}, 1, 0, nullptr).at({0});  // [1, 1, 1, 2]
  EXPECT_FLOAT_EQ(image[0][0][0][0].item<float>(), 10.0F / 255.0F);
  EXPECT_FLOAT_EQ(image[0][0][0][1].item<float>(), 200.0F / 255.0F);
  const at::Tensor both = FolderImages(folder.path(), {"grey.png", "red.png"}, 3, 0, nullptr).at({1, 0});
  EXPECT_FLOAT_EQ(both[0][0][0][0].item<float>(), 77.0F / 255.0F);
  EXPECT_FLOAT_EQ(both[0][1][0][0].item<float>(), 0.0F);
  EXPECT_FLOAT_EQ(both[1][2][0][1].item<float>(), 200.0F / 255.0F);
  write_file(folder / "no.png", "GIF89a");
  EXPECT_THAT([&] { read_image_header(folder / "no.png"); }, ThrowsMessage<DataError>(HasSubstr("no.png: no PNG or JPEG file")));
}

TEST(Image, ResizesTheMiddleSquare) {
  at::Tensor wide = at::full({1, 1, 4, 8}, 100, at::kByte);
  wide.narrow(3, 0, 2).fill_(0);  // the left and right quarters are cut off
  wide.narrow(3, 6, 2).fill_(0);
  const at::Tensor half = to_image(wide, 2);
  EXPECT_EQ(half.sizes().vec(), (std::vector<std::int64_t>{1, 1, 2, 2}));
  EXPECT_NEAR(half.min().item<double>(), 100.0 / 255.0, 1e-6);
  const std::vector<Image> drawn = draw_images(half);
  ASSERT_EQ(drawn.size(), 1U);
  EXPECT_EQ(drawn[0].rgb, std::vector<std::uint8_t>(12, 100));
}

TEST(Image, HasAKeyOfItsEightBitPixels) {
  at::Tensor images = at::full({4, 1, 2, 3}, 0.5, at::kFloat);
  images[1].add_(0.0001);    // the same level of 256
  images[2][0][0][0] = 0.6;  // another image
  const auto keys = image_keys(images);
  ASSERT_EQ(keys.size(), 4U);
  EXPECT_EQ(keys[0], keys[1]);
  EXPECT_EQ(keys[0], keys[3]);
  EXPECT_NE(keys[0], keys[2]);
  EXPECT_NE(image_keys(at::full({1, 1, 3, 2}, 0.5, at::kFloat)).front(), keys[0]);
  EXPECT_EQ(image_keys(at::full({1, 3, 2, 3}, 0.5, at::kFloat)).front(), keys[0]);  // grey written as colours
}

TEST(Data, IsFoundByItsName) {
  const TempFolder folder;
  write_file(folder / "tiny/x", "x");
  const folder::DataVariable data(folder.path().c_str());
  EXPECT_EQ(folder::find_data("tiny", "domain.test"), folder / "tiny");
  EXPECT_THAT([] { folder::find_data("huge", "domain.test"); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("domain.test: data = \"huge\""), HasSubstr("ESPALIER_DATA"))));
}

}  // namespace
}  // namespace espalier::images
