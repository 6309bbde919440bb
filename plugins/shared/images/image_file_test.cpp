#include "plugins/shared/images/image_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>

#include "plugins/shared/images/image_folder.h"
#include "plugins/shared/images/jpeg.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"

namespace espalier::images {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::array<int, 3> pixel(const Image& image, std::int64_t x, std::int64_t y) {
  const auto at = static_cast<std::size_t>(3 * (y * image.width + x));
  return {image.rgb[at], image.rgb[at + 1], image.rgb[at + 2]};
}

TEST(ImageFile, ReadsAJpegAsPillowDoes) {
  const TempFolder folder;
  write_file(folder / "a.JPG", colour_jpeg());
  write_file(folder / "grey.jpeg", grey_jpeg());
  const Image image = read_image(folder / "a.JPG");
  EXPECT_EQ(image.width, 8);
  EXPECT_EQ(image.height, 8);
  // Image.open(...).getpixel of Pillow 13.0 with libjpeg-turbo 3.2
  EXPECT_THAT(pixel(image, 0, 0), ElementsAre(7, 2, 226));
  EXPECT_THAT(pixel(image, 7, 0), ElementsAre(187, 9, 119));
  EXPECT_THAT(pixel(image, 0, 7), ElementsAre(25, 165, 252));
  EXPECT_THAT(pixel(image, 3, 4), ElementsAre(85, 104, 198));
  EXPECT_THAT(pixel(read_image(folder / "grey.jpeg"), 3, 4), ElementsAre(109, 109, 109));
  const ImageHeader colour = read_image_header(folder / "a.JPG"), grey = read_image_header(folder / "grey.jpeg");
  EXPECT_EQ(colour.width, 8);
  EXPECT_FALSE(colour.grey);
  EXPECT_TRUE(grey.grey);
}

TEST(ImageFile, IsKnownByItsBytesNotItsName) {
  const TempFolder folder;
  write_file(folder / "a.png", colour_jpeg());
  write_file(folder / "b.jpg", plain_png(3, 2, 9));
  EXPECT_EQ(read_image(folder / "a.png").width, 8);
  EXPECT_EQ(read_image_header(folder / "b.jpg").width, 3);
  EXPECT_EQ(pixel(read_image(folder / "b.jpg"), 2, 1)[0], 9);
}

TEST(ImageFile, RefusesADamagedJpegByName) {
  const TempFolder folder;
  const std::string whole = colour_jpeg();
  const auto reading = [&](const std::string& bytes) {
    write_file(folder / "x.jpg", bytes);
    return [&] { read_image(folder / "x.jpg"); };
  };
  for (std::size_t size = 0; size < whole.size() - 2; ++size) {  // the last two bytes only end the file
    EXPECT_THAT(reading(whole.substr(0, size)), ThrowsMessage<DataError>(HasSubstr("x.jpg"))) << size;
  }
  std::string damaged = whole;
  damaged.replace(whole.size() - 20, 8, "\xff\xd7\xff\xd6\x01\x02\x03\x04", 8);  // markers amid the pixels
  EXPECT_THAT(reading(damaged), ThrowsMessage<DataError>(HasSubstr("x.jpg: a damaged JPEG")));
  EXPECT_THAT(reading(cmyk_jpeg()), ThrowsMessage<DataError>(AllOf(HasSubstr("x.jpg"), HasSubstr("4 colours"), HasSubstr("RGB"))));
  EXPECT_THAT(reading("GIF89a"), ThrowsMessage<DataError>(HasSubstr("x.jpg: no PNG or JPEG file")));
  std::string deep = grey_jpeg();
  deep[deep.find("\xff\xc0") + 4] = 12;  // bits a colour
  EXPECT_THAT(reading(deep), ThrowsMessage<DataError>(HasSubstr("x.jpg: a damaged JPEG, or one of a kind that is not read")));
  std::string wide = grey_jpeg();
  wide.replace(wide.find("\xff\xc0") + 5, 4, "\x20\x01\x20\x01");
  EXPECT_THAT(reading(wide), ThrowsMessage<DataError>(HasSubstr("8193 x 8193; at most 8192 x 8192")));
}

TEST(ImageFile, RefusesAHeaderWithoutSize) {
  const TempFolder folder;
  for (std::size_t size = 3; size < 160; size += 10) {
    write_file(folder / "x.jpg", colour_jpeg().substr(0, size));
    EXPECT_THAT([&] { read_image_header(folder / "x.jpg"); }, ThrowsMessage<DataError>(HasSubstr("x.jpg: a damaged JPEG"))) << size;
  }
  write_file(folder / "x.png", plain_png(2, 2, 1).substr(0, 20));
  EXPECT_THAT([&] { read_image_header(folder / "x.png"); }, ThrowsMessage<DataError>(HasSubstr("x.png: a damaged PNG")));
}

// A reader of a pipe waits for ever.
TEST(ImageFile, RefusesWhatIsNoRegularFile) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe.png").c_str(), 0600), 0);
  EXPECT_THAT([&] { read_image(folder / "pipe.png"); }, ThrowsMessage<DataError>(HasSubstr("pipe.png: is a pipe, not a regular file")));
  EXPECT_THAT([&] { read_image_header(folder / "pipe.png"); }, ThrowsMessage<DataError>(HasSubstr("is a pipe")));
  EXPECT_THAT([&] { list_images(folder.path()); }, ThrowsMessage<DataError>(HasSubstr("pipe.png: is a pipe")));
}

TEST(ImageFolder, TakesImagesByTheOneRule) {
  const TempFolder folder, store;
  write_file(store / "1.png", plain_png(2, 2, 1));
  write_file(store / "2.JPEG", colour_jpeg());
  write_file(folder / "a.PNG", plain_png(2, 2, 1));
  write_file(folder / "b.jpg", colour_jpeg());
  write_file(folder / ".c.png", plain_png(2, 2, 1));
  write_file(folder / ".thumbs/d.png", plain_png(2, 2, 1));
  write_file(folder / "notes.txt", "x");
  std::filesystem::create_directory_symlink(store.path(), folder / "sub");
  std::filesystem::create_symlink(store / "1.png", folder / "e.png");
  const ImageList images = list_images(folder.path());
  EXPECT_THAT(images.files, ElementsAre("a.PNG", "b.jpg", "e.png", "sub/1.png", "sub/2.JPEG"));
  EXPECT_THAT(images.note, AllOf(HasSubstr("passed over 2 hidden files or folders"), HasSubstr(".c.png; .thumbs")));
  write_file(folder / "f.Webp", "x");
  EXPECT_THAT([&] { list_images(folder.path()); }, ThrowsMessage<DataError>(HasSubstr("f.Webp: images are read from PNG and JPEG files")));
}

// Counts what it is asked to compute.
class Counting final : public RememberedDigests {
 public:
  Hex of(const std::filesystem::path& file, const std::string& what, const std::function<Hex()>& compute) override {
    auto& known = known_[file.string() + what];
    if (known.empty()) {
      known = compute();
      ++computed;
    }
    return known;
  }
  int computed = 0;

 private:
  std::map<std::string, Hex> known_;
};

TEST(ImageFolder, RemembersTheDigestsOfItsPixels) {
  const TempFolder folder;
  write_file(folder / "a.png", plain_png(2, 2, 7));
  write_file(folder / "b.png", plain_png(2, 2, 8));
  Counting remembered;
  const std::vector<Hex> first = FolderImages(folder.path(), {"a.png", "b.png"}, 3, 0, &remembered).digests();
  EXPECT_EQ(FolderImages(folder.path(), {"a.png", "b.png"}, 3, 0, &remembered).digests(), first);
  EXPECT_EQ(remembered.computed, 2);
  EXPECT_EQ(FolderImages(folder.path(), {"b.png"}, 3, 0, nullptr).digests().front(), first[1]);
}

TEST(ImageFolder, RefusesPixelsThatAreNotTheDigests) {
  const TempFolder folder;
  write_file(folder / "a.png", plain_png(2, 2, 7));
  const FolderImages images(folder.path(), {"a.png"}, 3, 0, nullptr);
  images.digests();
  write_file(folder / "a.png", plain_png(2, 2, 8));
  EXPECT_THAT([&] { images.at({0}); }, ThrowsMessage<DataError>(AllOf(HasSubstr("a.png"), HasSubstr("touch the file"))));
}

std::filesystem::path peers_python() {
  if (const char* named = std::getenv("ESPALIER_PEERS")) return std::filesystem::path(named) / "bin/python";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "/" : home) / ".cache/espalier/peers/bin/python";
}

// Runs a script of this folder on a folder in the peers' Python.
void run_pillow(const std::filesystem::path& python, const std::string& script, const TempFolder& folder) {
  const std::string command =
      "'" + python.string() + "' '" ESPALIER_SOURCE_DIR "/plugins/shared/images/" + script + "' '" + folder.path().string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT(concurrency-mt-unsafe, bugprone-command-processor)
}

// Every kind of PNG equals Pillow's pixels, laid over black; a JPEG is within one level (another release of libjpeg-turbo may round
// otherwise).
TEST(ImageFile, DecodesWhatPillowDecodes) {
  const auto python = peers_python();
  if (!std::filesystem::exists(python))
    GTEST_SKIP() << "no " << python << ": scripts/setup --peers installs it, ESPALIER_PEERS names another";
  const TempFolder folder;
  ASSERT_NO_FATAL_FAILURE(run_pillow(python, "pillow_images.py", folder));
  int files = 0, unequal_jpegs = 0;
  for (const std::filesystem::path& file : list_images(folder.path()).files) {
    const Image image = read_image(folder.path() / file);
    const std::string theirs = read_file((folder.path() / file).string() + ".rgba");
    ASSERT_EQ(theirs.size(), static_cast<std::size_t>(4 * image.width * image.height)) << file;
    int worst = 0;
    for (std::size_t p = 0; p < image.rgb.size() / 3; ++p) {
      const int alpha = static_cast<std::uint8_t>(theirs[4 * p + 3]);
      for (std::size_t c = 0; c < 3; ++c) {
        const int wanted = (static_cast<std::uint8_t>(theirs[4 * p + c]) * alpha + 127) / 255;
        worst = std::max(worst, std::abs(wanted - image.rgb[3 * p + c]));
      }
    }
    EXPECT_LE(worst, file.extension() == ".png" ? 0 : 1) << file;
    unequal_jpegs += worst > 0 ? 1 : 0;
    ++files;
  }
  EXPECT_EQ(files, 39);
  RecordProperty("unequal_jpegs", unequal_jpegs);
}

// "P6 <width> <height> 255\n" and the pixels.
Image read_ppm(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  Image image;
  int most = 0;
  file >> magic >> image.width >> image.height >> most;
  file.get();
  image.rgb.resize(static_cast<std::size_t>(3 * image.width * image.height));
  file.read(reinterpret_cast<char*>(image.rgb.data()), static_cast<std::streamsize>(image.rgb.size()));
  return image;
}

TEST(Jpeg, IsWrittenAsPillowWritesIt) {
  const auto python = peers_python();
  if (!std::filesystem::exists(python))
    GTEST_SKIP() << "no " << python << ": scripts/setup --peers installs it, ESPALIER_PEERS names another";
  const TempFolder folder;
  ASSERT_NO_FATAL_FAILURE(run_pillow(python, "pillow_jpegs.py", folder));
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    if (entry.path().extension() != ".ppm") continue;
    const std::string ours = encode_jpeg(read_ppm(entry.path()), 95), theirs = read_file(fs::path(entry.path()).replace_extension(".jpg"));
    EXPECT_EQ(ours.size(), theirs.size()) << entry.path();
    EXPECT_TRUE(ours == theirs) << entry.path() << ": the same size, other bytes";
    ++files;
  }
  EXPECT_EQ(files, 25);
}

TEST(Jpeg, IsReadAgain) {
  const Image image{8192, 2, std::vector<std::uint8_t>(std::size_t{3} * 8192 * 2, 77)};
  const Image read = decode_jpeg(encode_jpeg(image, 95), "x.jpg");
  EXPECT_EQ(read.width, 8192);
  EXPECT_EQ(read.rgb, image.rgb);
  for (const auto& [width, height] : {std::pair{0, 4}, std::pair{4, 0}, std::pair{8193, 1}}) {
    EXPECT_THAT([&] { encode_jpeg({width, height, {}}, 95); }, ThrowsMessage<StageError>(HasSubstr("1 x 1 to 8192 x 8192")));
  }
}

}  // namespace
}  // namespace espalier::images
