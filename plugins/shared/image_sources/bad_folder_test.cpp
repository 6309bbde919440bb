#include <gmock/gmock.h>

#include "plugins/shared/image_sources/captioned_folder.h"
#include "plugins/shared/image_sources/plain_folder.h"
#include "plugins/shared/image_sources/test_sources.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"

namespace espalier::images {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class BadCaptionedFolder : public ::testing::Test {
 protected:
  BadCaptionedFolder() { write_image_folder(folder_.path()); }
  void open() const { make_captioned_folder_source(folder_.path(), 0.0, 0); }
  void load() const { make_captioned_folder_source(folder_.path(), 0.0, 0)->images("train")->at({0}); }
  void metadata(const std::string& line) const {
    write_file(folder_ / "metadata.jsonl", read_file(folder_ / "metadata.jsonl") + line + "\n");
  }
  TempFolder folder_;
};

TEST_F(BadCaptionedFolder, BrokenImage) {
  const std::string whole = read_file(folder_ / "4.png");
  write_file(folder_ / "4.png", whole.substr(0, whole.size() / 2));
  EXPECT_THAT([&] { load(); }, ThrowsMessage<DataError>(HasSubstr("4.png")));
  write_file(folder_ / "4.png", "GIF89a");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("4.png")));
}

TEST_F(BadCaptionedFolder, ImageOfAnotherSize) {
  write_file(folder_ / "4.png", plain_png(5, 4, 1));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("4.png: 5 x 4"), HasSubstr("set `resolution`"))));
}

TEST_F(BadCaptionedFolder, MissingCaption) {
  write_file(folder_ / "more/extra.png", plain_png(4, 4, 1));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("no caption for the image 'more/extra.png'")));
  metadata(R"({"file_name": "more/extra.png"})");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("metadata.jsonl:11: no caption")));
}

TEST_F(BadCaptionedFolder, ImagesOfAnotherFormat) {
  write_file(folder_ / "more/extra.webp", "x");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("extra.webp"), HasSubstr("PNG and JPEG"))));
  fs::remove(folder_ / "more/extra.webp");
  write_file(folder_ / "more/extra.JPG", colour_jpeg());
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("no caption for the image 'more/extra.JPG'")));
}

TEST_F(BadCaptionedFolder, LinesThatSayNothingUsable) {
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

TEST_F(BadCaptionedFolder, MissingOrRepeatedFile) {
  metadata(R"({"file_name": "none.png", "text": "x"})");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("metadata.jsonl:11"), HasSubstr("no such file"))));
  fs::remove_all(folder_.path());
  write_image_folder(folder_.path());
  metadata(R"({"file_name": "./0.png", "text": "x"})");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("has a caption already")));
}

TEST_F(BadCaptionedFolder, PathsThatLeaveTheFolder) {
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

TEST_F(BadCaptionedFolder, NothingLeftToTrainOn) {
  EXPECT_THAT([&] { make_captioned_folder_source(folder_.path(), 0.9, 0); },
              ThrowsMessage<ConfigError>(HasSubstr("holds out all 5 captions")));
  EXPECT_THAT([&] { make_captioned_folder_source(folder_ / "none", 0.0, 0); }, ThrowsMessage<DataError>(HasSubstr("no such folder")));
}

class BadPlainFolder : public ::testing::Test {
 protected:
  BadPlainFolder() { write_image_folder(folder_.path()); }
  void open(double fraction = 0.0) const { make_plain_folder_source(kPlugin, folder_.path(), {fraction, 0}, 0); }
  void load() const { make_plain_folder_source(kPlugin, folder_.path(), {}, 0)->images("train")->at({0}); }
  TempFolder folder_;
};

TEST_F(BadPlainFolder, WithoutImages) {
  fs::remove_all(folder_.path());
  fs::create_directories(folder_.path());
  write_file(folder_ / "notes.txt", "x");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("holds no PNG or JPEG files")));
}

TEST_F(BadPlainFolder, ImagesOfAnotherFormat) {
  write_file(folder_ / "more/extra.GIF", "x");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("extra.GIF"), HasSubstr("PNG"))));
}

TEST_F(BadPlainFolder, ImagesOfMixedSizes) {
  write_file(folder_ / "4.png", plain_png(5, 4, 1));
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("4.png: 5 x 4"), HasSubstr("set `resolution`"))));
}

TEST_F(BadPlainFolder, BrokenImage) {
  const std::string whole = read_file(folder_ / "4.png");
  write_file(folder_ / "4.png", whole.substr(0, whole.size() / 2 + 10));
  EXPECT_THAT([&] { load(); }, ThrowsMessage<DataError>(HasSubstr("4.png")));
  write_file(folder_ / "4.png", "GIF89a");
  EXPECT_THAT([&] { open(); }, ThrowsMessage<DataError>(HasSubstr("4.png: no PNG or JPEG file")));
}

TEST_F(BadPlainFolder, NothingLeftToTrainOn) {
  EXPECT_THAT([&] { open(0.95); }, ThrowsMessage<ConfigError>(HasSubstr("holds out all 10 examples")));
}

}  // namespace
}  // namespace espalier::images
