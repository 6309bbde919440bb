#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "runtime/base/errors.h"
#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::TempFolder;

std::string refusal(const fs::path& path, bool read_only = false) {
  try {
    Store::open(path, read_only);
  } catch (const CacheError& error) {
    return error.what();
  }
  return "";
}

TEST(Open, MakesAFolderThatNamesItsFormat) {
  const TempFolder folder;
  Store::open(folder / "new/cache");
  EXPECT_EQ(testing::slurp(folder / "new/cache/FORMAT"), "espalier-cache 1\n");
  EXPECT_EQ(refusal(folder / "new/cache"), "");
  EXPECT_EQ(refusal(folder / "new/cache", true), "");
}

TEST(Open, TakesAnEmptyFolder) {
  const TempFolder folder;
  EXPECT_EQ(refusal(folder.path()), "");
}

TEST(Open, RefusesAnUnknownFormat) {
  const TempFolder folder;
  Store::open(folder.path());
  testing::overwrite(folder / "FORMAT", "espalier-cache 2\n");
  for (const bool read_only : {false, true}) {
    EXPECT_THAT(refusal(folder.path(), read_only), ::testing::AllOf(HasSubstr("'espalier-cache 2'"), HasSubstr("'espalier-cache 1'")));
  }
  for (const auto* other : {"", "espalier-cache 1", "espalier-cache 10\n", "\x01\x02"}) {
    testing::overwrite(folder / "FORMAT", other);
    EXPECT_NE(refusal(folder.path()), "") << other;
  }
}

TEST(Open, TheFormatIsItsLineAndNothingElse) {
  const TempFolder folder;
  Store::open(folder.path());
  testing::overwrite(folder / "FORMAT", "espalier-cache 1\n\n");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("more follows the line 'espalier-cache 1'"));
  fs::resize_file(folder / "FORMAT", std::uintmax_t{1} << 40);
  EXPECT_THAT(refusal(folder.path()), HasSubstr("1099511627776 bytes"));
  fs::remove(folder / "FORMAT");
  ASSERT_EQ(::mkfifo((folder / "FORMAT").c_str(), 0600), 0);
  EXPECT_THAT(refusal(folder.path()), HasSubstr("not a regular file"));
}

TEST(Open, RefusesAFolderOfSomethingElse) {
  const TempFolder folder;
  testing::overwrite(folder / "thesis.tex", "\\documentclass{article}");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("not empty"));
  EXPECT_FALSE(fs::exists(folder / "FORMAT"));
  EXPECT_THAT(refusal(folder / "thesis.tex"), HasSubstr("not a folder"));
}

TEST(Open, ReadOnlyNeedsACacheAndWritesNothing) {
  const TempFolder folder;
  EXPECT_THAT(refusal(folder / "absent", true), HasSubstr("no such cache"));
  EXPECT_THAT(refusal(folder.path(), true), HasSubstr("no FORMAT"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ReadOnly, ReadsAndRefusesToPublish) {
  const TempFolder folder;
  const auto id = Store::open(folder.path())->ensure_set(testing::recipe());
  Store::open(folder.path())->publish_block(id, testing::block(0, {5, 0}), testing::provenance());
  const auto before = testing::read_tree(folder.path());
  const auto store = Store::open(folder.path(), true);
  EXPECT_EQ(store->ensure_set(testing::recipe()), id);
  EXPECT_TRUE(store->read_block(id, 0, {0, 5}));
  EXPECT_THROW(store->publish_block(id, testing::block(1, {5, 0}), testing::provenance()), CacheError);
  EXPECT_THROW(store->publish_scores(id, id, Value(), 0, {1.0}, {}), CacheError);
  EXPECT_THROW(store->new_folder(), CacheError);
  EXPECT_THROW(store->remove_checkpoints(id), CacheError);
  EXPECT_EQ(testing::read_tree(folder.path()), before);
}

TEST(ReadOnly, ReportsDamageAndMovesNothing) {
  const TempFolder folder;
  const auto id = Store::open(folder.path())->ensure_set(testing::recipe());
  Store::open(folder.path())->publish_block(id, testing::block(0, {5, 0}), testing::provenance());
  for (const auto& path : testing::files_in(folder / "sets")) {
    if (path.extension() == ".h5") testing::overwrite(path, "not HDF5");
  }
  const auto before = testing::read_tree(folder.path());
  std::vector<Damage> damage;
  EXPECT_FALSE(Store::open(folder.path(), true)->read_block(id, 0, {0}, &damage));
  EXPECT_EQ(damage.size(), 1u);
  EXPECT_EQ(testing::read_tree(folder.path()), before);
}

}  // namespace
}  // namespace espalier::cache
