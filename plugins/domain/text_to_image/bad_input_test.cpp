#include <gmock/gmock.h>

#include "plugins/domain/text_to_image/folder_source.h"
#include "plugins/domain/text_to_image/idx_source.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"

namespace espalier::text_to_image {
namespace {

namespace fs = std::filesystem;
using namespace images;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class BadIdx : public ::testing::Test {
 protected:
  BadIdx() { write_idx_folder(folder_.path()); }
  std::unique_ptr<Source> open() const {
    return make_idx_source({folder_.path(), "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                            "t10k-labels-idx1-ubyte", class_names_},
                           0);
  }
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
  EXPECT_THAT([&] { open(); }, ThrowsMessage<ConfigError>(HasSubstr("class_names")));
}

TEST_F(BadIdx, MissingFileOrForeignSize) {
  write_gzip(folder_ / "t10k-images-idx3-ubyte.gz", idx_bytes({4, 2, 8}, std::string(64, 'x')));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("images of 8 x 2")));
  fs::remove(folder_ / "t10k-images-idx3-ubyte.gz");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("nor t10k-images-idx3-ubyte.gz beside it")));
}

class BadFolder : public ::testing::Test {
 protected:
  BadFolder() { write_image_folder(folder_.path()); }
  void open() const { make_folder_source(folder_.path(), 0.0, 0); }
  void load() const { make_folder_source(folder_.path(), 0.0, 0)->images("train")->at({0}); }
  void metadata(const std::string& line) const {
    write_file(folder_ / "metadata.jsonl", read_file(folder_ / "metadata.jsonl") + line + "\n");
  }
  TempFolder folder_;
};

TEST_F(BadFolder, BrokenImage) {
  const std::string whole = read_file(folder_ / "4.png");
  write_file(folder_ / "4.png", whole.substr(0, whole.size() / 2));
  EXPECT_THAT([&] { load(); }, ThrowsMessage<DataError>(HasSubstr("4.png")));
  write_file(folder_ / "4.png", "GIF89a");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("4.png")));
}

TEST_F(BadFolder, ImageOfAnotherSize) {
  write_file(folder_ / "4.png", plain_png(5, 4, 1));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("4.png: 5 x 4"), HasSubstr("set `resolution`"))));
}

TEST_F(BadFolder, MissingCaption) {
  write_file(folder_ / "more/extra.png", plain_png(4, 4, 1));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("no caption for the image 'more/extra.png'")));
  metadata(R"({"file_name": "more/extra.png"})");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("metadata.jsonl:11: no caption")));
}

TEST_F(BadFolder, ImagesOfAnotherFormat) {
  write_file(folder_ / "more/extra.webp", "x");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("extra.webp"), HasSubstr("PNG and JPEG"))));
  fs::remove(folder_ / "more/extra.webp");
  write_file(folder_ / "more/extra.JPG", colour_jpeg());
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("no caption for the image 'more/extra.JPG'")));
}

TEST_F(BadFolder, LinesThatSayNothingUsable) {
  const std::string good = read_file(folder_ / "metadata.jsonl");
  for (const char* line :
       {"{\"text\": \"x\"}", "[1, 2]", "{\"file_name\": 3, \"text\": \"x\"}", "not json", "{\"file_name\": \"0.png\", \"text\": 1}"}) {
    write_file(folder_ / "metadata.jsonl", good);
    metadata(line);
    EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("metadata.jsonl:11"))) << line;
  }
  write_file(folder_ / "metadata.jsonl", "\n");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("names no images")));
  fs::remove(folder_ / "metadata.jsonl");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("metadata.jsonl")));
}

TEST_F(BadFolder, MissingOrRepeatedFile) {
  metadata(R"({"file_name": "none.png", "text": "x"})");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("metadata.jsonl:11"), HasSubstr("no such file"))));
  fs::remove_all(folder_.path());
  write_image_folder(folder_.path());
  metadata(R"({"file_name": "./0.png", "text": "x"})");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("has a caption already")));
}

TEST_F(BadFolder, PathsThatLeaveTheFolder) {
  TempFolder elsewhere;
  write_file(elsewhere / "secret.png", plain_png(4, 4, 1));
  const std::string good = read_file(folder_ / "metadata.jsonl");
  const std::string climbing = "../" + elsewhere.path().filename().string() + "/secret.png";
  for (const std::string& name : {climbing, "more/../" + climbing, (elsewhere / "secret.png").string(), std::string()}) {
    write_file(folder_ / "metadata.jsonl", good);
    metadata(R"({"file_name": ")" + name + R"(", "text": "x"})");
    EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("leaves the folder"))) << name;
  }
}

TEST_F(BadFolder, NothingLeftToTrainOn) {
  EXPECT_THAT([&] { make_folder_source(folder_.path(), 0.9, 0); }, ThrowsMessage<ConfigError>(HasSubstr("holds out all 5 captions")));
  EXPECT_THAT([&] { make_folder_source(folder_ / "none", 0.0, 0); }, ThrowsMessage<DataError>(HasSubstr("no such folder")));
}

}  // namespace
}  // namespace espalier::text_to_image
