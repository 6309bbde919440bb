// Who made a block, and whose numbers were found to be the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/cache/sealed.h"
#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

using testing::block;
using ::testing::IsEmpty, ::testing::SizeIs;

Maker maker(const std::string& build, const std::string& cpu) { return {Value::Map{{"sampler.x", build}}, Value::Map{{"cpu", cpu}}}; }

class Probes : public ::testing::Test {
 protected:
  testing::TempFolder folder;
  std::unique_ptr<Store> store = Store::open(folder.path());
  Hex id = store->ensure_set(testing::recipe());
  std::filesystem::path set = folder.path() / "sets" / id.substr(0, 2) / id;
  Probe probe{maker("b", "Y"), maker("a", "X"), 3, 16, 1e-7, 1e-4};
};

TEST_F(Probes, OfABlockNameItsMaker) {
  store->publish_block(id, block(0, {50, 0}), {maker("a", "X"), 1.0, 10});
  store->publish_block(id, block(0, {40, 0}), {maker("b", "Y"), 1.0, 10});
  const auto makers = store->blocks(id).at(0).total.makers;
  ASSERT_THAT(makers, SizeIs(2));
  EXPECT_EQ(makers[0].id(), maker("a", "X").id());
  EXPECT_EQ(makers[1].id(), maker("b", "Y").id());
  EXPECT_NE(makers[0].build(), makers[1].build());
}

TEST_F(Probes, ARecordWithoutLibrariesHasAMakerOfNoBuild) {
  store->publish_block(id, block(0, {0}), {maker("a", "X"), 1.0, 10});
  const auto path = testing::files_in(set / "commit").front();
  auto record = unseal(testing::slurp(path), path.string()).as_map();
  record.erase("libraries");
  testing::overwrite(path, seal(record));
  const auto made = store->blocks(id).at(0).total.makers.front();
  EXPECT_EQ(made.build(), "");
  EXPECT_EQ(made.numerics_class.at("cpu"), Value("X"));
  EXPECT_THAT(store->verify(VerifyLevel::deep), IsEmpty());
}

TEST_F(Probes, AreKeptBySetAndByScores) {
  const Hex score(64, '5');
  store->record_probe(id, "", probe);
  store->record_probe(id, "", probe);
  store->record_probe(id, score, {maker("c", "X"), maker("a", "X")});
  const auto again = Store::open(folder.path(), /*read_only=*/true)->probes(id, "");
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].maker.id(), probe.maker.id());
  EXPECT_EQ(again[0].against.id(), probe.against.id());
  EXPECT_EQ(again[0].block, 3u);
  EXPECT_EQ(again[0].samples, 16);
  EXPECT_EQ(again[0].difference, 1e-7);
  EXPECT_EQ(again[0].tolerance, 1e-4);
  EXPECT_THAT(store->probes(id, score), SizeIs(1));
  EXPECT_THAT(store->probes(Hex(64, '9'), ""), IsEmpty());
  EXPECT_THAT(store->verify(VerifyLevel::deep), IsEmpty());
}

TEST_F(Probes, ADamagedOneCountsAsAbsentAndIsMadeAgain) {
  store->record_probe(id, "", probe);
  const auto path = testing::files_in(set / "probes").front();
  const auto sound = testing::slurp(path);
  for (std::size_t at = 0; at < sound.size(); at += 7) {
    auto damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    testing::overwrite(path, damaged);
    EXPECT_THAT(store->probes(id, ""), IsEmpty()) << at;
  }
  store->record_probe(id, "", probe);
  EXPECT_THAT(store->probes(id, ""), SizeIs(1));
  EXPECT_EQ(testing::slurp(path), sound);
}

// Copied in by hand, from another set or under the name of another pair.
TEST_F(Probes, AForeignOneIsIgnored) {
  store->record_probe(id, "", probe);
  const auto path = testing::files_in(set / "probes").front();
  const auto other = store->ensure_set(testing::recipe(8));
  const auto its = folder.path() / "sets" / other.substr(0, 2) / other / "probes";
  std::filesystem::create_directories(its);
  std::filesystem::copy(path, its / path.filename());
  std::filesystem::copy(path, set / "probes" / (Hex(64, '0') + ".json"));
  EXPECT_THAT(store->probes(other, ""), IsEmpty());
  EXPECT_THAT(store->probes(id, ""), SizeIs(1));
}

}  // namespace
}  // namespace espalier::cache
