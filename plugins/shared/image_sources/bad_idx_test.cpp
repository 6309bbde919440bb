#include <gmock/gmock.h>

#include "plugins/shared/image_sources/idx_source.h"
#include "plugins/shared/image_sources/test_sources.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"

namespace espalier::images {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class BadIdx : public ::testing::Test {
 protected:
  BadIdx() { write_idx_folder(folder_.path()); }
  std::unique_ptr<Source> open() const { return make_idx_source(kPlugin, idx_files(folder_.path(), class_names_), {}, 0); }
  void load() const { open()->images("train")->at({0}); }
  TempFolder folder_;
  std::vector<std::string> class_names_ = {"even", "odd"};
};

TEST_F(BadIdx, WrongMagic) {
  write_file(folder_ / "train-images-idx3-ubyte", two_labels(6));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("train-images-idx3-ubyte"), HasSubstr("starts with 00000801"))));
  std::string floats = grey_images(6);
  floats[2] = '\x0d';
  write_file(folder_ / "train-images-idx3-ubyte", floats);
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("starts with 00000d03")));
  write_file(folder_ / "train-images-idx3-ubyte", "");
  EXPECT_THROW(open(), DataError);
}

TEST_F(BadIdx, ShortOrLongFile) {
  const std::string bytes = grey_images(6);
  write_file(folder_ / "train-images-idx3-ubyte", bytes.substr(0, bytes.size() - 1));
  EXPECT_THAT([&] { load(); }, ThrowsMessage<DataError>(HasSubstr("ends after 95 of the 96 bytes")));
  write_file(folder_ / "train-images-idx3-ubyte", bytes + "x");
  EXPECT_THAT([&] { load(); }, ThrowsMessage<DataError>(HasSubstr("goes on after the 96 bytes")));
  write_file(folder_ / "train-images-idx3-ubyte", bytes.substr(0, 9));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("ends inside its header, after 9 bytes")));
}

TEST_F(BadIdx, SizesThatPromiseTooMuchOrNothing) {
  write_file(folder_ / "train-images-idx3-ubyte", idx_bytes({0xffffffffU, 0xffffffffU, 0xffffffffU}, ""));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("more than")));
  write_file(folder_ / "train-images-idx3-ubyte", idx_bytes({6, 0, 4}, ""));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("would hold nothing")));
}

TEST_F(BadIdx, CutOffOrDamagedGzip) {
  const fs::path path = folder_ / "t10k-images-idx3-ubyte.gz";
  const std::string whole = read_file(path);
  const auto held_out = [&] { open()->images("held_out")->at({0}); };
  EXPECT_NO_THROW(held_out());
  write_file(path, whole.substr(0, whole.size() - 6));  // the check sum is cut
  EXPECT_THAT(held_out, ThrowsMessage<DataError>(HasSubstr("cut off")));
  write_file(path, whole.substr(0, 12));
  EXPECT_THROW(held_out(), DataError);
  std::string damaged = whole;
  damaged[damaged.size() - 6] = static_cast<char>(damaged[damaged.size() - 6] ^ 1);  // of the check sum
  write_file(path, damaged);
  EXPECT_THAT(held_out, ThrowsMessage<DataError>(HasSubstr("incorrect data check")));
}

TEST_F(BadIdx, LabelsThatDoNotFit) {
  write_file(folder_ / "train-labels-idx1-ubyte", two_labels(5));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("5 labels for the 6 images")));
  write_file(folder_ / "train-labels-idx1-ubyte", idx_bytes({6}, {0, 1, 0, 7, 0, 1}));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("label 7 of image 3 has no name; class_names has 2 entries")));
  class_names_.clear();
  EXPECT_TRUE(open()->images("train")->at({0}).caption.empty()) << "without names labels are not read";
}

TEST_F(BadIdx, MissingFileOrForeignSizeOrColour) {
  write_gzip(folder_ / "t10k-images-idx3-ubyte.gz", idx_bytes({4, 2, 8}, std::string(64, 'x')));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("images of 8 x 2")));
  write_gzip(folder_ / "t10k-images-idx3-ubyte.gz", idx_bytes({4, 4, 4, 3}, std::string(192, 'x')));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("3 channels")));
  fs::remove(folder_ / "t10k-images-idx3-ubyte.gz");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("nor t10k-images-idx3-ubyte.gz beside it")));
}

TEST_F(BadIdx, ImagesWithoutTheirLabelsWhereThereAreNames) {
  auto files = idx_files(folder_.path(), class_names_);
  files.test_labels = "";
  EXPECT_THAT([&] { make_idx_source(kPlugin, files, {}, 0); },
              ThrowsMessage<ConfigError>(HasSubstr("domain.test: test_images and test_labels go together")));
}

}  // namespace
}  // namespace espalier::images
