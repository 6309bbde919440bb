#include <gtest/gtest.h>

#include <random>

#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

using testing::block;
using testing::provenance;
using testing::TempFolder;

// As a run does: lists what is there, computes what is not.
int grow(Store& store, const Hex& id, std::uint64_t samples, std::uint64_t block_size) {
  int computed = 0;
  const auto there = store.blocks(id);
  for (std::uint64_t number = 0; number * block_size < samples; ++number) {
    if (there.contains(number)) continue;
    EXPECT_TRUE(store.publish_block(id, block(number, {0}, 0, static_cast<std::int64_t>(block_size)), provenance()));
    ++computed;
  }
  return computed;
}

TEST(Growth, ComputesTheBlocksThatAreNewAndNoOther) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 10; ++trial) {
    const TempFolder folder;
    const auto store = Store::open(folder.path());
    const auto id = store->ensure_set(testing::recipe());
    const std::uint64_t size = 1 + random() % 5, n = random() % 12, m = n + random() % 12;
    EXPECT_EQ(grow(*store, id, n, size), static_cast<int>((n + size - 1) / size));
    EXPECT_EQ(grow(*Store::open(folder.path()), id, m, size), static_cast<int>((m + size - 1) / size - (n + size - 1) / size));
    EXPECT_EQ(grow(*store, id, n, size), 0);
    EXPECT_EQ(store->verify(VerifyLevel::deep).size(), 0u);
  }
}

TEST(Growth, ABlockReadsBackEqualAndRecordsItsCost) {
  const TempFolder folder;
  auto store = Store::open(folder.path());
  const auto id = store->ensure_set(testing::recipe());
  for (std::uint64_t number = 0; number < 3; ++number) store->publish_block(id, block(number, {50, 25, 0}), provenance());
  store = Store::open(folder.path());
  for (std::uint64_t number = 0; number < 3; ++number) {
    const auto read = store->read_block(id, number, {0, 25, 50});
    ASSERT_TRUE(read);
    EXPECT_EQ(testing::difference(*read, block(number, {50, 25, 0})), "");
  }
  const auto status = store->blocks(id).at(1);
  EXPECT_EQ(status.steps, (std::set<std::int64_t>{0, 25, 50}));
  EXPECT_EQ(status.total.seconds, 1.5);
  EXPECT_EQ(status.total.network_evaluations, 2000);
  EXPECT_GT(status.total.bytes, 0);
}

TEST(Growth, WhatIsNotThereIsNoDamage) {
  const TempFolder folder;
  const auto store = Store::open(folder.path());
  const auto id = store->ensure_set(testing::recipe());
  store->publish_block(id, block(0, {25, 0}), provenance());
  std::vector<Damage> damage;
  EXPECT_FALSE(store->read_block(id, 1, {0}, &damage));
  EXPECT_FALSE(store->read_block(id, 0, {0, 24}, &damage));
  EXPECT_FALSE(store->read_scores(id, id, 0, &damage));
  EXPECT_FALSE(store->verified_result("model", id, &damage));
  EXPECT_FALSE(store->result("model", id));
  EXPECT_TRUE(damage.empty());
}

TEST(Scores, ReadBackEqualAndAreOfTheirBlock) {
  const TempFolder folder;
  const auto store = Store::open(folder.path());
  const auto id = store->ensure_set(testing::recipe());
  const Value request = Value::Map{{"reward", "reward.shape_checker"}};
  const auto score_id = digest(request);
  EXPECT_TRUE(store->publish_scores(id, score_id, request, 0, testing::scores(0), provenance()));
  EXPECT_TRUE(store->publish_scores(id, score_id, request, 2, testing::scores(2), provenance()));
  EXPECT_FALSE(store->publish_scores(id, score_id, request, 0, testing::scores(0), provenance()));
  EXPECT_EQ(store->read_scores(id, score_id, 2), testing::scores(2));
  EXPECT_FALSE(store->read_scores(id, score_id, 1));
  const auto there = store->score_blocks(id, score_id);
  EXPECT_EQ(there.size(), 2u);
  EXPECT_EQ(there.at(2).seconds, 1.5);
  EXPECT_EQ(store->requests("scores"), std::vector<Value>{request});
  EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
}

TEST(Usage, CountsWhatIsThere) {
  const TempFolder folder;
  const auto store = Store::open(folder.path());
  const auto id = store->ensure_set(testing::recipe());
  for (std::uint64_t number = 0; number < 3; ++number) store->publish_block(id, block(number, {0}), provenance());
  std::int64_t bytes = 0;
  for (const auto& path : testing::files_in(folder / "sets")) {
    if (path.filename() != "recipe.json") bytes += static_cast<std::int64_t>(std::filesystem::file_size(path));
  }
  const auto usage = store->usage();
  const auto set = std::find_if(usage.begin(), usage.end(), [](const auto& entry) { return entry.kind == "trajectories"; });
  ASSERT_NE(set, usage.end());
  EXPECT_EQ(set->id, id);
  EXPECT_EQ(set->entries, 3);
  EXPECT_EQ(set->bytes, bytes);
}

}  // namespace
}  // namespace espalier::cache
