#include "tests/runtime/cache/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;
using testing::block;
using ::testing::HasSubstr;
using testing::Process;
using testing::TempFolder;

constexpr int kKills = 50;

std::string expect_equal(Store& store, const Hex& id, std::uint64_t number, const std::vector<std::int64_t>& steps,
                         std::uint64_t variant = 0) {
  const auto read = store.read_block(id, number, {steps.begin(), steps.end()});
  return read ? testing::difference(*read, block(number, steps, variant)) : "not there";
}

TEST(Killed, NoAcknowledgedBlockIsLostAndNoTornOneIsSeen) {
  const TempFolder folder;
  const auto id = digest(testing::recipe());
  std::mt19937 random(5);
  std::uint64_t next = 0;  // acknowledged: all below
  int stopped_midway = 0;
  for (int trial = 0; trial < kKills; ++trial) {
    Process child({CACHE_CHILD, "publish", folder.path().string(), std::to_string(next)});
    const auto acknowledge = [&](const std::string& line) { EXPECT_EQ(line, std::to_string(next++)); };
    // Every fifth is killed somewhere in its start, the others at a random moment after some blocks.
    const auto blocks = trial % 5 == 0 ? 0 : 1 + random() % 4;
    for (std::uint64_t i = 0; i < blocks; ++i) acknowledge(child.line().value_or("ended"));
    const auto moment = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % (blocks == 0 ? 300'000 : 20'000));
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::microseconds>(moment - std::chrono::steady_clock::now()).count();
      const auto line = child.line(std::max<long>(left, 0));
      if (!line) break;
      acknowledge(*line);
    }
    child.kill();
    for (const auto& line : child.rest()) acknowledge(line);
    EXPECT_EQ(child.wait(), 128 + 9);

    const auto store = Store::open(folder.path());
    const auto there = store->blocks(id).size();
    EXPECT_TRUE(there == next || there == next + 1) << there << " of " << next;  // one may be published and not yet acknowledged
    if (there == next + 1) ++stopped_midway;
    for (std::uint64_t number = there > 3 ? there - 3 : 0; number < there; ++number)
      EXPECT_EQ(expect_equal(*store, id, number, {25, 0}), "");
    EXPECT_TRUE(store->verify(VerifyLevel::quick).empty());
  }
  const auto store = Store::open(folder.path());
  EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
  for (std::uint64_t number = 0; number < next; ++number) EXPECT_EQ(expect_equal(*store, id, number, {25, 0}), "");
  EXPECT_GE(next, 40u);
  RecordProperty("acknowledged", static_cast<int>(next));
  RecordProperty("published_unacknowledged", stopped_midway);
}

TEST(Race, EveryBlockHasOneWinner) {
  const TempFolder folder;
  constexpr std::uint64_t kBlocks = 20;
  std::vector<std::unique_ptr<Process>> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(
        std::make_unique<Process>(std::vector<std::string>{CACHE_CHILD, "race", folder.path().string(), std::to_string(kBlocks), "0"}));
  }
  std::map<std::string, int> lines;
  for (auto& child : children) {
    for (const auto& line : child->rest()) ++lines[line];
    EXPECT_EQ(child->wait(), 0);
  }
  const auto store = Store::open(folder.path());
  for (std::uint64_t number = 0; number < kBlocks; ++number) {
    EXPECT_EQ(lines[std::to_string(number) + " won"], 1);
    EXPECT_EQ(lines[std::to_string(number) + " lost"], 7);
    EXPECT_EQ(expect_equal(*store, digest(testing::recipe()), number, {25, 0}), "");
  }
  EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
}

// Six processes of three variants, each with other samples and other steps for the same recipe.
TEST(Race, BetweenDifferentSamplesAtMostOneIsAccepted) {
  const TempFolder folder;
  constexpr std::uint64_t kBlocks = 10;
  std::vector<std::unique_ptr<Process>> children;
  for (int i = 0; i < 6; ++i) {
    children.push_back(std::make_unique<Process>(
        std::vector<std::string>{CACHE_CHILD, "race", folder.path().string(), std::to_string(kBlocks), std::to_string(i % 3)}));
  }
  std::map<std::string, std::set<std::uint64_t>> accepted;  // block to variants
  for (std::size_t i = 0; i < children.size(); ++i) {
    for (const auto& line : children[i]->rest()) {
      if (!line.ends_with("refused")) accepted[line.substr(0, line.find(' '))].insert(i % 3);
    }
    EXPECT_EQ(children[i]->wait(), 0);
  }
  const auto store = Store::open(folder.path());
  for (const auto& [number, variants] : accepted) {
    ASSERT_EQ(variants.size(), 1u) << number;
    const auto step = 25 + static_cast<std::int64_t>(*variants.begin());
    EXPECT_EQ(expect_equal(*store, digest(testing::recipe()), std::stoull(number), {step, 0}, *variants.begin()), "");
  }
  EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
}

// Damaged blocks, found and made again by four processes at once.
TEST(Race, RepairsOfTheSameDamageDoNotUndoEachOther) {
  const TempFolder folder;
  const auto id = digest(testing::recipe());
  constexpr std::uint64_t kBlocks = 12;
  Process({CACHE_CHILD, "race", folder.path().string(), std::to_string(kBlocks), "0"}).rest();
  for (const auto& path : testing::files_in(folder / "sets")) {
    const auto extension = path.extension();
    const bool even = testing::slurp(path).size() % 2 == 0;
    if (extension == ".h5" || (extension == ".json" && path.filename() != "recipe.json" && even)) testing::overwrite(path, "damaged");
  }
  std::vector<std::unique_ptr<Process>> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(
        std::make_unique<Process>(std::vector<std::string>{CACHE_CHILD, "repair", folder.path().string(), std::to_string(kBlocks)}));
  }
  for (auto& child : children) {
    EXPECT_EQ(child->rest().size(), kBlocks);
    EXPECT_EQ(child->wait(), 0);
  }
  const auto store = Store::open(folder.path());
  for (std::uint64_t number = 0; number < kBlocks; ++number) EXPECT_EQ(expect_equal(*store, id, number, {25, 0}), "");
  EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
}

TEST(NoSpace, AFileThatCannotGrowPublishesNothing) {
  const TempFolder folder;
  const auto id = Store::open(folder.path())->ensure_set(testing::recipe());
  Process child({CACHE_CHILD, "small_files", folder.path().string(), "1024"});
  EXPECT_THAT(child.rest(), ::testing::ElementsAre(HasSubstr(folder.path().string())));
  EXPECT_EQ(child.wait(), 4);
  const auto store = Store::open(folder.path());
  EXPECT_TRUE(store->blocks(id).empty());
  EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
  EXPECT_TRUE(store->publish_block(id, block(0, {25, 0}), testing::provenance()));
}

TEST(NoSpace, AFullDiskKeepsWhatWasPublishedAndNamesTheFreeSpace) {
  const TempFolder folder;
  Process child({CACHE_CHILD, "full_disk", folder.path().string()});
  const auto lines = child.rest();
  const int status = child.wait();
  if (status == 77) GTEST_SKIP() << "needs the right to mount a small file system";
  EXPECT_EQ(status, 4);
  EXPECT_THAT(lines, ::testing::ElementsAre(::testing::AllOf(HasSubstr("No space left"), HasSubstr("bytes are free")), "sound"));
}

TEST(NotWritable, AFolderOfSomebodyElseIsReadAndNotWritten) {
  const TempFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
  const auto root = folder / "cache";
  const auto id = Store::open(root)->ensure_set(testing::recipe());
  Store::open(root)->publish_block(id, block(0, {25, 0}), testing::provenance());
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    fs::permissions(entry.path(), fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write, fs::perm_options::remove);
  }
  fs::permissions(root, fs::perms::owner_write, fs::perm_options::remove);
  Process child({CACHE_CHILD, "nobody", root.string()});
  const auto lines = child.rest();
  const int status = child.wait();
  for (const auto& entry : fs::recursive_directory_iterator(root))
    fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
  fs::permissions(root, fs::perms::owner_write, fs::perm_options::add);
  if (status == 77) GTEST_SKIP() << "cannot become another user";
  EXPECT_EQ(status, 4);
  EXPECT_THAT(lines, ::testing::ElementsAre("read", ::testing::AllOf(HasSubstr(root.string()), HasSubstr("Permission denied"))));
}

}  // namespace
}  // namespace espalier::cache
