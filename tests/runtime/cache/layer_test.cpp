#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/base/errors.h"
#include "runtime/cache/sealed.h"
#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;
using testing::block;
using testing::provenance;

class Layers : public ::testing::Test {
 protected:
  testing::TempFolder folder;
  std::unique_ptr<Store> store = Store::open(folder.path());
  Hex id = store->ensure_set(testing::recipe());
  fs::path set = folder.path() / "sets" / id.substr(0, 2) / id;

  bool publish(const Block& layer) { return store->publish_block(id, layer, provenance()); }
  std::size_t commits() const { return testing::files_in(set / "commit").size(); }
  std::string refusal(const Block& layer) {
    try {
      publish(layer);
    } catch (const CacheError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(Layers, AddStepsToABlockAndReadTogether) {
  EXPECT_TRUE(publish(block(0, {50, 25, 0})));
  EXPECT_TRUE(publish(block(0, {40, 10, 0})));
  EXPECT_FALSE(publish(block(0, {40, 10, 0})));
  EXPECT_EQ(commits(), 2u);
  const auto read = store->read_block(id, 0, {0, 10, 25});
  ASSERT_TRUE(read);
  EXPECT_EQ(testing::difference(*read, block(0, {25, 10, 0})), "");
  EXPECT_EQ(store->blocks(id).at(0).steps, (std::set<std::int64_t>{0, 10, 25, 40, 50}));
  EXPECT_EQ(store->blocks(id).at(0).total.network_evaluations, 4000);
}

TEST_F(Layers, WithAnotherSampleAreRefused) {
  publish(block(0, {50, 0}));
  const auto message = refusal(block(0, {40, 0}, 1));
  EXPECT_THAT(message, ::testing::AllOf(::testing::HasSubstr("x_0 differs"), ::testing::HasSubstr("block 0")));
  EXPECT_NE(refusal(block(0, {50, 0}, 1)), "") << "the same steps with other values are no duplicate";
  EXPECT_EQ(commits(), 1u);
  EXPECT_EQ(testing::difference(*store->read_block(id, 0, {0, 50}), block(0, {50, 0})), "");
}

TEST_F(Layers, ASampleThatDiffersInOneBitIsAnother) {
  publish(block(0, {0}));
  auto other = block(0, {10, 0});
  auto* bytes = static_cast<std::uint8_t*>(other.steps.back().state["code"].data_ptr());
  bytes[5] = static_cast<std::uint8_t>(bytes[5] ^ 1);
  EXPECT_NE(refusal(other), "");
}

TEST_F(Layers, WithOtherConditionsAreRefused) {
  publish(block(0, {0}));
  auto other = block(0, {10, 0});
  other.condition[0] += 1;
  EXPECT_NE(refusal(other), "");
}

// Scores may have been made of a sample that is lost: another one in its place would be no sample of these scores.
TEST_F(Layers, ALostSampleIsNotReplacedByAnother) {
  publish(block(0, {50, 0}));
  testing::overwrite(testing::files_in(set / "data").front(), "damaged");
  EXPECT_NE(refusal(block(0, {50, 0}, 1)), "");
  EXPECT_TRUE(publish(block(0, {50, 0})));
  EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
}

// What a publisher leaves that was killed between its last two links: everything but the commit record.
TEST_F(Layers, OneThatWasAlmostCommittedIsCompletedAndNotOverruled) {
  publish(block(0, {50, 0}));
  fs::remove(testing::files_in(set / "commit").front());
  EXPECT_NE(refusal(block(0, {40, 0}, 1)), "");
  EXPECT_EQ(testing::difference(*store->read_block(id, 0, {0, 50}), block(0, {50, 0})), "");
}

TEST_F(Layers, ADamagedFirstRecordIsMadeAgainFromWhatIsThere) {
  publish(block(0, {50, 0}));
  testing::overwrite(set / "first/b0.json", "damaged");
  EXPECT_EQ(store->verify(VerifyLevel::quick).size(), 1u);
  EXPECT_NE(refusal(block(0, {40, 0}, 1)), "");
  EXPECT_TRUE(publish(block(0, {40, 0})));
  EXPECT_TRUE(store->verify(VerifyLevel::quick).empty());
}

// Copied in by hand.
TEST_F(Layers, OfTwoWithDifferentSamplesTheOlderIsUsedAndNeverAMixture) {
  publish(block(0, {50, 0}));
  testing::TempFolder other_folder;
  const auto other = Store::open(other_folder.path());
  other->publish_block(other->ensure_set(testing::recipe()), block(0, {40, 0}, 1), provenance());
  fs::copy(other_folder.path() / "sets", folder.path() / "sets", fs::copy_options::recursive | fs::copy_options::skip_existing);
  ASSERT_EQ(commits(), 2u);
  EXPECT_EQ(store->verify(VerifyLevel::quick).size(), 1u);
  std::vector<Damage> damage;
  EXPECT_FALSE(store->read_block(id, 0, {0, 40, 50}, &damage));
  ASSERT_EQ(damage.size(), 1u);
  EXPECT_THAT(damage[0].what, ::testing::HasSubstr("x_0 differs"));
  EXPECT_EQ(testing::difference(*store->read_block(id, 0, {0, 50}), block(0, {50, 0})), "");
}

TEST_F(Layers, ADamagedOneIsQuarantinedAndTheOtherStillServes) {
  publish(block(0, {50, 0}));
  publish(block(0, {40, 0}));
  const auto file = [&] {
    for (const auto& path : testing::files_in(set / "commit")) {
      const auto record = parse_json(testing::slurp(path), path.string());
      if (record.at("steps").as_list().front().as_integer() == 50) return set / "data" / record.at("data").at("name").as_string();
    }
    throw std::runtime_error("no such layer");
  }();
  testing::overwrite(file, "damaged");
  std::vector<Damage> damage;
  const auto read = store->read_block(id, 0, {0, 40}, &damage);
  ASSERT_TRUE(read);  // x_0 of the older layer is gone, the younger one has it too
  EXPECT_EQ(testing::difference(*read, block(0, {40, 0})), "");
  EXPECT_EQ(damage.size(), 1u);
  EXPECT_FALSE(fs::exists(file));
  EXPECT_EQ(testing::files_in(set / "quarantine").size(), 3u);  // the record, the data, and the lock
  EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
  EXPECT_TRUE(publish(block(0, {50, 0})));
  EXPECT_EQ(testing::difference(*store->read_block(id, 0, {0, 40, 50}), block(0, {50, 40, 0})), "");
}

// A damaged file must not be taken for the one that is being published, even where its commit record is already gone.
TEST_F(Layers, PublishingOverADamagedFileDoesNotReuseIt) {
  publish(block(0, {50, 0}));
  const auto data = testing::files_in(set / "data").front();
  for (const bool keep_commit : {false, true}) {
    testing::overwrite(data, std::string(fs::file_size(data), '\0'));
    if (!keep_commit) fs::remove(testing::files_in(set / "commit").front());
    EXPECT_TRUE(publish(block(0, {50, 0})));
    EXPECT_EQ(testing::difference(*store->read_block(id, 0, {0, 50}), block(0, {50, 0})), "");
    EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
    for (const auto& path : testing::files_in(set / "commit")) fs::remove(path);
    for (const auto& path : testing::files_in(set / "data")) fs::remove(path);
    publish(block(0, {50, 0}));
  }
}

TEST_F(Layers, ADamagedCommitRecordIsReplaced) {
  publish(block(0, {50, 0}));
  testing::overwrite(testing::files_in(set / "commit").front(), "{}");
  EXPECT_TRUE(store->blocks(id).empty());
  EXPECT_TRUE(publish(block(0, {50, 0})));
  EXPECT_EQ(store->blocks(id).size(), 1u);
}

TEST_F(Layers, NeedTheirSet) {
  EXPECT_THROW(store->publish_block(Hex(64, '0'), block(0, {0}), provenance()), InternalError);
  EXPECT_THROW(store->publish_block("../../etc", block(0, {0}), provenance()), InternalError);
}

TEST_F(Layers, CountSamplesThatAreNotFiniteAndReadRecordsFromBeforeThat) {
  auto layer = block(3, {7, 0});
  for (auto& step : layer.steps) {
    for (auto& [name, tensor] : step.state) tensor.zero_();
  }
  layer.steps.back().state.at("x")[1][2][4] = std::numeric_limits<double>::infinity();
  layer.steps.back().state.at("code")[1][0] = std::nan("");
  layer.steps.back().state.at("code")[3][5] = std::nan("");
  layer.steps.front().state.at("x")[0][0][0] = std::nan("");  // only x_0 counts
  EXPECT_TRUE(publish(layer));
  EXPECT_EQ(store->blocks(id).at(3).nonfinite, 2);
  const auto commit = testing::files_in(set / "commit").front();
  auto record = unseal(testing::slurp(commit), "the record").as_map();
  EXPECT_EQ(record.erase("nonfinite"), 1u);
  testing::overwrite(commit, seal(record));
  EXPECT_EQ(store->blocks(id).at(3).nonfinite, std::nullopt);
  EXPECT_TRUE(store->read_block(id, 3, {0}));
}

}  // namespace
}  // namespace espalier::cache
