#include <gmock/gmock.h>

#include "plugins/domain/unconditional/source.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"

namespace espalier::unconditional {
namespace {

namespace fs = std::filesystem;
using namespace images;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class BadFolder : public ::testing::Test {
 protected:
  BadFolder() { write_image_folder(folder_.path()); }
  void open(double fraction = 0.0) const { make_folder_source(folder_.path(), {fraction, 0}, 0); }
  void load() const { make_folder_source(folder_.path(), {}, 0)->images("train")->at({0}); }
  TempFolder folder_;
};

TEST_F(BadFolder, WithoutPng) {
  fs::remove_all(folder_.path());
  fs::create_directories(folder_.path());
  write_file(folder_ / "notes.txt", "x");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("holds no PNG or JPEG files")));
}

TEST_F(BadFolder, ImagesOfAnotherFormat) {
  write_file(folder_ / "more/extra.GIF", "x");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("extra.GIF"), HasSubstr("PNG"))));
}

TEST_F(BadFolder, ImagesOfMixedSizes) {
  write_file(folder_ / "4.png", plain_png(5, 4, 1));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("4.png: 5 x 4"), HasSubstr("set `resolution`"))));
}

TEST_F(BadFolder, BrokenImage) {
  const std::string whole = read_file(folder_ / "4.png");
  write_file(folder_ / "4.png", whole.substr(0, whole.size() / 2 + 10));
  EXPECT_THAT([&] { load(); }, ThrowsMessage<DataError>(HasSubstr("4.png")));
  write_file(folder_ / "4.png", "GIF89a");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("4.png: no PNG or JPEG file")));
}

TEST_F(BadFolder, NothingLeftToTrainOn) {
  EXPECT_THAT([&] { open(0.95); }, ThrowsMessage<ConfigError>(HasSubstr("holds out all 10 examples")));
}

class BadIdx : public ::testing::Test {
 protected:
  BadIdx() { write_idx_folder(folder_.path()); }
  std::unique_ptr<Source> open() const {
    return make_idx_source({folder_.path(), "train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "train-labels-idx1-ubyte",
                            "t10k-labels-idx1-ubyte", class_names_},
                           {}, 0);
  }
  TempFolder folder_;
  std::vector<std::string> class_names_ = {"even", "odd"};
};

TEST_F(BadIdx, WrongMagic) {
  write_file(folder_ / "train-images-idx3-ubyte", two_labels(6));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("train-images-idx3-ubyte"), HasSubstr("starts with 00000801"))));
}

TEST_F(BadIdx, MissingFile) {
  fs::remove(folder_ / "t10k-images-idx3-ubyte.gz");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("nor t10k-images-idx3-ubyte.gz beside it")));
}

TEST_F(BadIdx, ShortFile) {
  const std::string bytes = grey_images(6);
  write_file(folder_ / "train-images-idx3-ubyte", bytes.substr(0, bytes.size() - 1));
  EXPECT_THAT([&] { open()->images("train")->at({0}); }, ThrowsMessage<DataError>(HasSubstr("ends after 95 of the 96 bytes")));
}

TEST_F(BadIdx, TestImagesOfAnotherSizeOrColour) {
  write_gzip(folder_ / "t10k-images-idx3-ubyte.gz", idx_bytes({4, 2, 8}, std::string(64, 'x')));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("8 x 2")));
  write_gzip(folder_ / "t10k-images-idx3-ubyte.gz", idx_bytes({4, 4, 4, 3}, std::string(192, 'x')));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("3 channels")));
}

TEST_F(BadIdx, LabelsThatDoNotFit) {
  write_file(folder_ / "train-labels-idx1-ubyte", two_labels(5));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("5 labels for the 6 images")));
  write_file(folder_ / "train-labels-idx1-ubyte", idx_bytes({6}, {0, 1, 0, 7, 0, 1}));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("label 7 of image 3 has no name")));
  class_names_.clear();
  EXPECT_TRUE(open()->images("train")->at({0}).label.empty()) << "without names labels are not read";
}

}  // namespace
}  // namespace espalier::unconditional
