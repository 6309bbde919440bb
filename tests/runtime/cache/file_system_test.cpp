// Caches on file systems that lack calls, which a preloaded library makes fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <map>

#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/process.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

using ::testing::AllOf;
using testing::block;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Process;
using testing::TempFolder;

using Lacking = std::map<std::string, int>;  // variable of the shim to errno

// Processes started while it lives run on such a file system.
class Preloaded {
 public:
  explicit Preloaded(const Lacking& lacking) : lacking_(lacking) {
    ::setenv("LD_PRELOAD", FILE_SYSTEM_SHIM, 1);
    ::setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
    for (const auto& [name, number] : lacking_) ::setenv(name.c_str(), std::to_string(number).c_str(), 1);
  }
  Preloaded(const Preloaded&) = delete;
  Preloaded& operator=(const Preloaded&) = delete;
  ~Preloaded() {
    ::unsetenv("LD_PRELOAD");
    for (const auto& [name, number] : lacking_) ::unsetenv(name.c_str());
  }

 private:
  Lacking lacking_;
};

std::vector<std::unique_ptr<Process>> start(int count, const std::vector<std::string>& command) {
  std::vector<std::unique_ptr<Process>> children;
  for (int i = 0; i < count; ++i) children.push_back(std::make_unique<Process>(command));
  return children;
}

void expect_sound(const std::filesystem::path& root, std::uint64_t blocks) {
  const auto store = Store::open(root);
  const auto id = digest(testing::recipe());
  for (std::uint64_t number = 0; number < blocks; ++number) {
    const auto read = store->read_block(id, number, {0, 25});
    EXPECT_TRUE(read && testing::difference(*read, block(number, {25, 0})).empty()) << number;
  }
  EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
}

class FileSystem : public ::testing::TestWithParam<Lacking> {};

TEST_P(FileSystem, EveryBlockHasOneWinner) {
  const TempFolder folder(/*in_memory=*/true);
  const Preloaded shim(GetParam());
  std::map<std::string, int> lines;
  for (auto& child : start(6, {CACHE_CHILD, "race", folder.path().string(), "10", "0"})) {
    for (const auto& line : child->rest()) ++lines[line];
    EXPECT_EQ(child->wait(), 0);
  }
  for (int number = 0; number < 10; ++number) EXPECT_EQ(lines[std::to_string(number) + " won"], 1);
  expect_sound(folder.path(), 10);
}

TEST_P(FileSystem, RepairsOfTheSameDamageDoNotUndoEachOther) {
  const TempFolder folder(/*in_memory=*/true);
  Process({CACHE_CHILD, "race", folder.path().string(), "8", "0"}).rest();
  for (const auto& path : testing::files_in(folder / "sets")) {
    if (path.extension() == ".h5") testing::overwrite(path, "damaged");
  }
  const Preloaded shim(GetParam());
  for (auto& child : start(4, {CACHE_CHILD, "repair", folder.path().string(), "8"})) {
    const auto lines = child->rest();
    EXPECT_EQ(lines.size(), 8u) << lines.back();
    EXPECT_EQ(child->wait(), 0);
  }
  expect_sound(folder.path(), 8);
}

TEST_P(FileSystem, AcknowledgedBlocksSurviveKills) {
  const TempFolder folder(/*in_memory=*/true);
  const Preloaded shim(GetParam());
  std::uint64_t next = 0;
  for (int trial = 0; trial < 5; ++trial) {
    Process child({CACHE_CHILD, "publish", folder.path().string(), std::to_string(next)});
    for (int i = 0; i < 2 && child.line(); ++i) ++next;
    child.kill();
    next += child.rest().size();
    child.wait();
  }
  EXPECT_GE(next, 10u);
  expect_sound(folder.path(), next);
}

INSTANTIATE_TEST_SUITE_P(Lacking, FileSystem,
                         ::testing::Values(Lacking{{"SHIM_LINK", EPERM}}, Lacking{{"SHIM_LINK", EXDEV}},
                                           Lacking{{"SHIM_RENAME_NO_REPLACE", EINVAL}}, Lacking{{"SHIM_FLOCK", ENOLCK}},
                                           Lacking{{"SHIM_FOLDER_FSYNC", EINVAL}},
                                           Lacking{{"SHIM_LINK", ENOSYS}, {"SHIM_FLOCK", EOPNOTSUPP}, {"SHIM_FOLDER_FSYNC", ENOTSUP}}));

TEST(NoWayToPublish, IsRefusedAtOpeningAndLeavesNothing) {
  const TempFolder folder;
  const Preloaded shim({{"SHIM_LINK", EPERM}, {"SHIM_RENAME_NO_REPLACE", EINVAL}});
  const auto refused = ElementsAre(AllOf(HasSubstr("neither hard links (Operation not permitted)"), HasSubstr("another file system")));
  Process made({CACHE_CHILD, "race", folder.path().string(), "1", "0"});
  EXPECT_THAT(made.rest(), refused);
  EXPECT_EQ(made.wait(), 4);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  Store::open(folder.path());  // a cache copied there
  Process opened({CACHE_CHILD, "race", folder.path().string(), "1", "0"});
  EXPECT_THAT(opened.rest(), refused);
  EXPECT_EQ(opened.wait(), 4);
}

}  // namespace
}  // namespace espalier::cache
