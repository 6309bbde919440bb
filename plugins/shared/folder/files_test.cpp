#include "plugins/shared/folder/files.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "plugins/shared/folder/data.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::folder {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

class Files : public ::testing::Test {
 protected:
  Files() { fs::create_directories(data_); }
  ~Files() override { fs::remove_all(root_); }
  void file(const fs::path& path) const {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "x";
  }
  fs::path root_ = fs::path(::testing::TempDir()) / ("espalier-" + unique_name()), data_ = root_ / "data";
};

TEST_F(Files, AreListedByTheirPaths) {
  file(data_ / "b.png");
  file(data_ / "a/c.png");
  const FileList list = list_files(data_);
  EXPECT_THAT(list.files, ElementsAre("a/c.png", "b.png"));
  EXPECT_EQ(list.note(), "");
}

TEST_F(Files, BehindLinksAreFound) {
  file(data_ / "a.png");
  file(root_ / "store/1.png");
  file(root_ / "store/deep/2.png");
  fs::create_directory_symlink("../store", data_ / "sub");
  fs::create_symlink("../store/1.png", data_ / "one.png");
  EXPECT_THAT(list_files(data_).files, ElementsAre("a.png", "one.png", "sub/1.png", "sub/deep/2.png"));
}

TEST_F(Files, OfAFolderThatHoldsItselfAreListedOnce) {
  file(data_ / "real/1.png");
  fs::create_directory_symlink(data_, data_ / "real/loop");
  fs::create_directory_symlink(data_ / "real", data_ / "alias");  // before real in the order of names
  const FileList list = list_files(data_);
  EXPECT_THAT(list.files, ElementsAre("real/1.png"));
  EXPECT_THAT(list.repeated, ElementsAre("alias", "real/loop"));
  EXPECT_THAT(list.note(), HasSubstr("passed over 2 folders that are read already or contain this one (alias; real/loop)"));
}

// Link a leads into the folder that link b leads to.
TEST_F(Files, OfARealFolderThatALinkReadBeforeAreCountedAsPassedOver) {
  file(root_ / "store/deep/1.png");
  file(root_ / "store/2.png");
  fs::create_directory_symlink(root_ / "store/deep", data_ / "a");
  fs::create_directory_symlink(root_ / "store", data_ / "b");
  const FileList list = list_files(data_);
  EXPECT_THAT(list.files, ElementsAre("a/1.png", "b/2.png"));
  EXPECT_THAT(list.repeated, ElementsAre("b/deep"));
}

TEST_F(Files, OfSiblingsAreNotReadThroughALinkUpwards) {
  file(root_ / "other/1.png");
  file(data_ / "a.png");
  fs::create_directory_symlink("..", data_ / "up");
  const FileList list = list_files(data_);
  EXPECT_THAT(list.files, ElementsAre("a.png"));
  EXPECT_THAT(list.note(), HasSubstr("passed over 1 folder that is read already or contains this one (up)"));
}

TEST_F(Files, WithSeveralNamesAreCounted) {
  file(data_ / "b.png");
  file(root_ / "store/1.png");
  fs::create_symlink("b.png", data_ / "a.png");
  for (const char* name : {"c.png", "d.png"}) fs::create_symlink(root_ / "store/1.png", data_ / name);
  const FileList list = list_files(data_);
  EXPECT_THAT(list.files, ElementsAre("a.png", "b.png", "c.png", "d.png"));
  EXPECT_THAT(list.note(), HasSubstr("data: read again 2 links to files that are read already (a.png; d.png)"));
}

TEST_F(Files, BehindLinksThatDoubleAtEachStepAreListedOnce) {
  for (int k = 0; k < 40; ++k) {
    const fs::path next = root_ / ("f" + std::to_string(k + 1));
    fs::create_directories(root_ / ("f" + std::to_string(k)));
    for (const char* name : {"l", "r"}) fs::create_directory_symlink(next, root_ / ("f" + std::to_string(k)) / name);
  }
  file(root_ / "f40/1.png");
  const FileList list = list_files(root_ / "f0");
  EXPECT_EQ(list.files.size(), 1U);
  EXPECT_EQ(list.repeated.size(), 40U);
}

TEST_F(Files, ThatAreHiddenAreCounted) {
  file(data_ / ".a.png");
  file(data_ / ".thumbs/1.png");
  file(data_ / ".thumbs/2.png");
  file(data_ / "a.png");
  fs::create_symlink("nobody@host:1", data_ / ".#a.png");  // an editor's lock
  const FileList list = list_files(data_);
  EXPECT_THAT(list.files, ElementsAre("a.png"));
  EXPECT_THAT(list.note(), HasSubstr("data: passed over 3 hidden files or folders (.#a.png; .a.png; .thumbs)"));
}

TEST_F(Files, BehindABrokenLinkAreMissed) {
  fs::create_symlink("../store/1.png", data_ / "one.png");
  EXPECT_THAT([&] { list_files(data_); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("one.png: a link to '../store/1.png', which is not there"), HasSubstr("mend"))));
}

// A reader of a pipe waits for ever.
TEST_F(Files, ArePlainFiles) {
  file(data_ / "a.png");
  ASSERT_EQ(::mkfifo((data_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT([&] { list_files(data_); }, ThrowsMessage<DataError>(HasSubstr("pipe: is a pipe; a folder of data holds files")));
}

TEST(Places, OfNothingAreRefusedAsNothing) {
  EXPECT_THAT([] { places_of("train", {}, {0.0, 0}, "domain.test"); }, ThrowsMessage<DataError>(HasSubstr("holds no examples")));
  EXPECT_THAT([] { places_of("train", {"a"}, {0.5, 0}, "domain.test"); }, ThrowsMessage<ConfigError>(HasSubstr("holds out all 1")));
}

}  // namespace
}  // namespace espalier::folder
