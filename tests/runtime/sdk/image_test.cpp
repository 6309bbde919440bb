#include "runtime/sdk/image.h"

#include <gmock/gmock.h>

#include "runtime/base/errors.h"

namespace espalier {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// Files made with Python's zlib and struct after the PNG specification, not by libpng.
constexpr const char* kRgb =
    "89504e470d0a1a0a0000000d49484452000000020000000108020000007b40e8dd0000000f4944415478da63f8cfc0c0252207000665013c2b5749ac"
    "0000000049454e44ae426082";
constexpr const char* kGrey =
    "89504e470d0a1a0a0000000d4948445200000002000000010800000000d14920560000000b4944415478da636038010000cb00c9fa6cb48b00000000"
    "49454e44ae426082";
constexpr const char* kOneBit =
    "89504e470d0a1a0a0000000d4948445200000008000000010100000000cb7bd2ee0000000a4944415478da63d8080000b300b28c1a2b470000000049"
    "454e44ae426082";
constexpr const char* kPalette =
    "89504e470d0a1a0a0000000d49484452000000030000000108030000002c3ee48600000009504c544501020328323cff0009aa72478e0000000c4944"
    "415478da636062600400000b00046a681d200000000049454e44ae426082";
constexpr const char* kRgba =
    "89504e470d0a1a0a0000000d4948445200000002000000010806000000f4227f8a000000114944415478da63389162d4c0c9c9c900000d0201fa0ff5"
    "9d7a0000000049454e44ae426082";
constexpr const char* kRgb16 =
    "89504e470d0a1a0a0000000d4948445200000001000000011002000000c0e78f9d0000000f4944415478da636868f8ff9f8101000c8002ff1b9a7bd3"
    "0000000049454e44ae426082";
constexpr const char* kWide =
    "89504e470d0a1a0a0000000d4948445200002001000000010800000000bce214820000001f4944415478daedc1010d000000c2a0f74f6d0e37a00000"
    "0000000000807f0320020001364eb71e0000000049454e44ae426082";

std::string bytes_of(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

std::vector<int> decoded(const char* hex) {
  const auto image = decode_png(bytes_of(hex), "x.png");
  EXPECT_EQ(static_cast<std::int64_t>(image.rgb.size()), 3 * image.width * image.height);
  return {image.rgb.begin(), image.rgb.end()};
}

TEST(Png, EveryColourTypeBecomesRgb) {
  EXPECT_THAT(decoded(kRgb), ElementsAre(255, 0, 0, 10, 20, 30));
  EXPECT_THAT(decoded(kGrey), ElementsAre(0, 0, 0, 200, 200, 200));
  EXPECT_THAT(decoded(kPalette), ElementsAre(255, 0, 9, 1, 2, 3, 40, 50, 60));
  EXPECT_THAT(decoded(kRgb16), ElementsAre(128, 255, 0));  // 0x8080 of 0xffff is 128 of 255
  const auto pixels = decoded(kOneBit);                    // 10110001
  ASSERT_EQ(pixels.size(), 24u);
  for (std::size_t i = 0; i < 24; ++i) EXPECT_EQ(pixels[i], ((0b10110001 >> (7 - i / 3)) & 1) * 255) << i;
}

// 36, 0, 100 in a file with gamma 1.0: Pillow, and what reads images through it, keeps the numbers (libpng's simplified API makes 105,
// 0, 167 of them).
TEST(Png, AGammaChangesNoPixel) {
  const std::string whole = bytes_of(kRgb), gamma = bytes_of("0000000467414d41000186a031e8965f");
  constexpr std::size_t kAfterHeader = 33;
  const auto image = decode_png(whole.substr(0, kAfterHeader) + gamma + whole.substr(kAfterHeader), "x.png");
  EXPECT_THAT(std::vector<int>(image.rgb.begin(), image.rgb.end()), ElementsAre(255, 0, 0, 10, 20, 30));
}

TEST(Png, AlphaLiesOverBlack) {
  // 200 * 128 / 255 = 100.4, 100 * 128 / 255 = 50.2, 50 * 128 / 255 = 25.1; and a wholly transparent pixel.
  EXPECT_THAT(decoded(kRgba), ElementsAre(100, 50, 25, 0, 0, 0));
}

TEST(Png, WritesWhatReadsBackEqual) {
  Image image{5, 3, {}};
  for (int i = 0; i < 45; ++i) image.rgb.push_back(static_cast<std::uint8_t>(i * 5));
  const auto bytes = encode_png(image);
  const auto back = decode_png(bytes, "x");
  EXPECT_EQ(back.width, 5);
  EXPECT_EQ(back.height, 3);
  EXPECT_EQ(back.rgb, image.rgb);
  EXPECT_EQ(bytes, encode_png(image));
  EXPECT_THROW(encode_png({5, 4, image.rgb}), InternalError);
}

TEST(Png, DamagedFilesAreRefusedByName) {
  const auto reading = [](std::string bytes) { return [bytes] { decode_png(bytes, "photos/3.png"); }; };
  const auto whole = bytes_of(kRgb);
  for (std::size_t size = 0; size < whole.size() - 12; ++size) {  // the last 12 bytes only mark the file's end
    EXPECT_THAT(reading(whole.substr(0, size)), ThrowsMessage<DataError>(HasSubstr("photos/3.png"))) << size;
  }
  auto flipped = whole;
  flipped[45] = static_cast<char>(flipped[45] ^ 1);  // in the compressed data
  EXPECT_THAT(reading(flipped), ThrowsMessage<DataError>(HasSubstr("photos/3.png")));
  EXPECT_THAT(reading("GIF89a"), ThrowsMessage<DataError>(HasSubstr("PNG")));
  EXPECT_THAT(reading(bytes_of(kWide)), ThrowsMessage<DataError>(AllOf(HasSubstr("8193 x 1"), HasSubstr("8192 x 8192"))));
}

}  // namespace
}  // namespace espalier
