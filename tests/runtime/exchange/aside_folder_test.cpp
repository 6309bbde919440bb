#include "runtime/exchange/aside_folder.h"

#include <gmock/gmock.h>

#include <fstream>

#include "runtime/base/errors.h"
#include "tests/runtime/base/folder.h"

namespace espalier::exchange {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::int64_t entries(const fs::path& folder) { return std::distance(fs::directory_iterator(folder), fs::directory_iterator()); }

TEST(AsideFolder, IsThereOnceItIsComplete) {
  const TemporaryFolder temporary;
  AsideFolder folder(temporary.path() / "deep/out/");
  folder.write("a/b.txt", "x");
  EXPECT_FALSE(fs::exists(temporary.path() / "deep/out"));
  folder.publish();
  EXPECT_EQ(read_file(temporary.path() / "deep/out/a/b.txt"), "x");
  EXPECT_EQ(entries(temporary.path() / "deep"), 1);
}

TEST(AsideFolder, TakesThePlaceOfAnEmptyFolder) {
  const TemporaryFolder temporary;
  fs::create_directory(temporary.path() / "out");
  AsideFolder folder(temporary.path() / "out");
  folder.write("b.txt", "x");
  folder.publish();
  EXPECT_EQ(read_file(temporary.path() / "out/b.txt"), "x");
}

TEST(AsideFolder, LeavesNothingThatIsNotPublished) {
  const TemporaryFolder temporary;
  {
    AsideFolder(temporary.path() / "out").write("b.txt", "x");
  }
  EXPECT_EQ(entries(temporary.path()), 0);
}

TEST(AsideFolder, RefusesWhatIsThere) {
  const TemporaryFolder temporary;
  std::ofstream(temporary.path() / "file") << "x";
  EXPECT_THAT([&] { AsideFolder(temporary.path()); },
              ThrowsMessage<ConfigError>(HasSubstr("is not empty; name an absent or empty folder")));
  EXPECT_THAT([&] { AsideFolder(temporary.path() / "file"); }, ThrowsMessage<ConfigError>(HasSubstr("is no folder")));
}

TEST(AsideFolder, DoesNotReplaceWhatCameMeanwhile) {
  const TemporaryFolder temporary;
  AsideFolder folder(temporary.path() / "out");
  folder.write("b.txt", "x");
  fs::create_directory(temporary.path() / "out");
  std::ofstream(temporary.path() / "out/other") << "y";
  EXPECT_THAT([&] { folder.publish(); }, ThrowsMessage<DataError>(HasSubstr("another program has put something there")));
  EXPECT_EQ(entries(temporary.path()), 1);
}

}  // namespace
}  // namespace espalier::exchange
