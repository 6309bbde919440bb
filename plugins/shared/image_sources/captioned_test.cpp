#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <map>

#include "plugins/shared/image_sources/captioned_folder.h"
#include "plugins/shared/image_sources/shapes_source.h"
#include "plugins/shared/image_sources/test_sources.h"
#include "plugins/shared/images/test_files.h"
#include "plugins/shared/shapes/world.h"

namespace espalier::images {
namespace {

// Centroid (x, y) of the pixels of just this colour.
std::array<double, 2> centroid(const at::Tensor& image, const shapes::Colour& colour) {
  double x = 0.0, y = 0.0, count = 0.0;
  const at::Tensor planes = image.contiguous();
  const float* value = planes.const_data_ptr<float>();
  const std::int64_t width = image.size(2), pixels = image.size(1) * width;
  for (std::int64_t p = 0; p < pixels; ++p) {
    double distance = 0.0;
    for (std::int64_t k = 0; k < 3; ++k) distance += std::abs(value[k * pixels + p] - colour.rgb[static_cast<std::size_t>(k)]);
    if (distance > 0.1) continue;
    const auto column = p % width, row = p / width;
    x += static_cast<double>(column);
    y += static_cast<double>(row);
    ++count;
  }
  return {x / count, y / count};
}

// Whether the first colour's object stands to the second's as the prompt says.
bool colours_stand(const at::Tensor& image, const shapes::Prompt& prompt) {
  const auto a = centroid(image, shapes::kPalette[prompt.colour[0]]), b = centroid(image, shapes::kPalette[prompt.colour[1]]);
  const double right = a[0] - b[0], down = a[1] - b[1];
  switch (prompt.relation) {
    case shapes::Relation::above:
      return -down > std::abs(right);
    case shapes::Relation::below:
      return down > std::abs(right);
    case shapes::Relation::left_of:
      return -right > std::abs(down);
    case shapes::Relation::right_of:
      return right > std::abs(down);
  }
  return false;
}

double share_in_relation(const CaptionNoise& noise, std::uint64_t count) {
  const auto source = make_shapes_source(16, noise, 5);
  const Captions captions = source->captions("train");
  const auto batch = source->images("train")->at(first(count));
  double right = 0.0;
  for (std::uint64_t b = 0; b < count; ++b) {
    const Value& metadata = captions.metadata[static_cast<std::size_t>(batch.caption[b])];
    right += colours_stand(batch.image[static_cast<std::int64_t>(b)], shapes::prompt_of(metadata)) ? 1.0 : 0.0;
  }
  return right / static_cast<double>(count);
}

TEST(ShapesSource, ShowsWhatThePromptSays) { EXPECT_EQ(share_in_relation({}, 100), 1.0); }

TEST(ShapesSource, NoisyCaptionsDisagreeAsOftenAsAsked) {
  EXPECT_EQ(share_in_relation({.relation = 1.0}, 100), 0.0);
  EXPECT_EQ(share_in_relation({.binding = 1.0}, 100), 0.0) << "with colours swapped, the other colour leads";
  // 3 standard deviations of 400 draws: 0.069
  EXPECT_NEAR(share_in_relation({.relation = 0.3}, 400), 0.7, 0.07);
}

TEST(ShapesSource, HeldOutImagesHaveNoNoiseAndOtherPositions) {
  const auto noisy = make_shapes_source(16, {1.0, 1.0}, 5), clean = make_shapes_source(16, {}, 5);
  EXPECT_TRUE(noisy->images("held_out")->at(first(4)).image.equal(clean->images("held_out")->at(first(4)).image));
  EXPECT_EQ(noisy->images("held_out")->digest(), clean->images("held_out")->digest());
  EXPECT_NE(noisy->images("train")->digest(), clean->images("train")->digest());
}

TEST(ShapesSource, EveryPromptIsDrawn) {
  const auto source = make_shapes_source(12, {}, 1);
  std::map<std::int64_t, int> count;
  for (const std::int64_t prompt : source->images("train")->at(first(9600)).caption) ++count[prompt];
  EXPECT_EQ(count.size(), 480U);
  double chi_square = 0.0;
  for (const auto& [prompt, times] : count) chi_square += (times - 20.0) * (times - 20.0) / 20.0;
  EXPECT_NEAR(chi_square, 479.0, 5.0 * std::sqrt(2.0 * 479.0));
}

TEST(CaptionedFolder, GivesEachImageItsCaption) {
  TempFolder folder;
  write_image_folder(folder.path());
  const auto source = make_captioned_folder_source(folder.path(), 0.0, 0);
  EXPECT_EQ(source->splits(), (std::vector<std::string>{"train"}));
  const Captions captions = source->captions("train");
  ASSERT_EQ(captions.text.size(), 5U);
  EXPECT_EQ(captions.metadata[2].at("label").as_integer(), 2);
  EXPECT_EQ(captions.metadata[2].at("class").as_string(), "thing 2");
  const auto images = source->images("train");
  ASSERT_EQ(images->size(), 10);
  const auto batch = images->at({7});
  EXPECT_EQ(batch.caption[0], 3);
  EXPECT_FLOAT_EQ(batch.image[0][0][0][0].item<float>(), 140.0F / 255.0F);
  EXPECT_FLOAT_EQ(batch.image[0][1][0][0].item<float>(), 0.0F);
}

// Single links, as DVC and the hub make them, a linked folder, any case, and a JPEG.
TEST(CaptionedFolder, FollowsLinksAndReadsJpegs) {
  TempFolder folder, store;
  write_file(store / "0f3a", plain_png(8, 8, 50));
  write_file(store / "more/b.PNG", plain_png(8, 8, 60));
  fs::create_symlink(store / "0f3a", folder / "a.png");
  fs::create_directory_symlink(store / "more", folder / "sub");
  write_file(folder / "c.jpeg", colour_jpeg());
  write_file(folder / ".d.png", plain_png(8, 8, 70));
  std::string metadata;
  for (const std::string name : {"a.png", "sub/b.PNG", "c.jpeg"}) metadata += R"({"file_name": ")" + name + R"(", "text": "x"})" + "\n";
  write_file(folder / "metadata.jsonl", metadata);
  const auto source = make_captioned_folder_source(folder.path(), 0.0, 0);
  const at::Tensor image = source->images("train")->at({0, 1, 2}).image;
  EXPECT_FLOAT_EQ(image[0][0][0][0].item<float>(), 50.0F / 255.0F);
  EXPECT_FLOAT_EQ(image[1][0][0][0].item<float>(), 60.0F / 255.0F);
  EXPECT_FLOAT_EQ(image[2][0][0][7].item<float>(), 187.0F / 255.0F);
  EXPECT_THAT(source->notes(), ::testing::ElementsAre(::testing::HasSubstr("1 hidden file or folder (.d.png)")));
}

TEST(CaptionedFolder, IsKeyedByPixelsAndCaptionsNotByBytes) {
  TempFolder folder;
  write_image_folder(folder.path());
  const auto digest = [&] { return make_captioned_folder_source(folder.path(), 0.0, 0)->images("train")->digest(); };
  const Hex before = digest();
  const std::string png = plain_png(4, 4, 80);
  write_file(folder / "4.png", png.substr(0, 33) + std::string("\0\0\0\x04gAMA\0\x01\x86\xa0\x31\xe8\x96\x5f", 16) + png.substr(33));
  EXPECT_EQ(digest(), before);
  write_file(folder / "4.png", plain_png(4, 4, 81));
  EXPECT_NE(digest(), before);
}

TEST(CaptionedFolder, HoldsCaptionsOutWithTheirImages) {
  TempFolder folder;
  write_image_folder(folder.path());
  const auto source = make_captioned_folder_source(folder.path(), 0.3, 0);
  EXPECT_EQ(source->captions("train").text.size(), 3U);
  EXPECT_EQ(source->captions("held_out").text.size(), 2U);
  EXPECT_EQ(source->images("train")->size(), 6);
  EXPECT_EQ(source->images("held_out")->size(), 4);
  // printf '%s' "thing 3" | sha256sum, ...: the largest two are held out
  EXPECT_EQ(source->captions("held_out").text, (std::vector<std::string>{"thing 1", "thing 4"}));
}

TEST(CaptionedFolder, BringsImagesToOneSize) {
  TempFolder folder;
  write_file(folder / "wide.png", plain_png(12, 6, 200));
  write_file(folder / "small.png", plain_png(4, 4, 100));
  write_file(folder / "metadata.jsonl",
             "{\"file_name\": \"wide.png\", \"text\": \"a\"}\n\n{\"file_name\": \"small.png\", \"text\": \"b\"}\n");
  const auto batch = make_captioned_folder_source(folder.path(), 0.0, 8)->images("train")->at({0, 1});
  EXPECT_EQ(batch.image.sizes().vec(), (std::vector<std::int64_t>{2, 3, 8, 8}));
  EXPECT_FLOAT_EQ(batch.image[0][0][4][4].item<float>(), 200.0F / 255.0F);
}

}  // namespace
}  // namespace espalier::images
