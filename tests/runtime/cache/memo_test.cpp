#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "runtime/cache/digest_memo.h"
#include "runtime/cache/sealed.h"
#include "tests/runtime/cache/folder.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

Hex digest_of(DigestMemo& memo, const fs::path& file) {
  return memo.of(file, "bytes", [&] { return digest_file(file); });
}

Hex digest_of(const fs::path& memo, const fs::path& file) {
  DigestMemo opened(memo);
  return digest_of(opened, file);
}

// Asks until the file is old enough (0.1 s) to be remembered.
void learn(const fs::path& memo, const fs::path& file) {
  while (!fs::exists(memo)) {
    DigestMemo learner(memo);
    digest_of(learner, file);
    learner.save();
  }
}

TEST(DigestMemo, RemembersAcrossProcesses) {
  const testing::TempFolder folder;
  testing::overwrite(folder / "model", "weights");
  learn(folder / "memo", folder / "model");
  // Another digest in its place shows that the file was not read again.
  auto table = unseal(testing::slurp(folder / "memo"), "memo").as_map();
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table.begin()->second.as_string(), sha256("weights"));
  table.begin()->second = Hex(64, 'f');
  testing::overwrite(folder / "memo", seal(table));
  EXPECT_EQ(digest_of(folder / "memo", folder / "model"), Hex(64, 'f'));
}

TEST(DigestMemo, CountsWhatWasReadAndIsNotSavedYet) {
  const testing::TempFolder folder;
  testing::overwrite(folder / "model", "weights");
  learn(folder / "memo", folder / "model");
  DigestMemo memo(folder / "memo");
  digest_of(memo, folder / "model");
  EXPECT_EQ(memo.learned_bytes(), 0u) << "it was remembered";
  memo.of(folder / "model", "another", [] { return sha256("another"); });
  EXPECT_EQ(memo.learned_bytes(), 7u);
  memo.save();
  EXPECT_EQ(memo.learned_bytes(), 0u);
}

TEST(DigestMemo, RemembersSeveralDigestsOfOneFile) {
  const testing::TempFolder folder;
  testing::overwrite(folder / "image", "bytes");
  learn(folder / "memo", folder / "image");
  int computed = 0;
  const auto pixels = [&] {
    ++computed;
    return sha256("pixels");
  };
  {
    DigestMemo memo(folder / "memo");
    EXPECT_EQ(memo.of(folder / "image", "pixels", pixels), sha256("pixels"));
    EXPECT_EQ(digest_of(memo, folder / "image"), sha256("bytes"));
    memo.save();
  }
  DigestMemo later(folder / "memo");
  EXPECT_EQ(later.of(folder / "image", "pixels", pixels), sha256("pixels"));
  EXPECT_EQ(computed, 1);
  testing::overwrite(folder / "image", "other");
  later.of(folder / "image", "pixels", pixels);
  EXPECT_EQ(computed, 2);
}

TEST(DigestMemo, NoticesAChangeThatKeepsSizeAndTime) {
  const testing::TempFolder folder;
  testing::overwrite(folder / "model", "weights");
  learn(folder / "memo", folder / "model");
  struct stat status{};
  ASSERT_EQ(::stat((folder / "model").c_str(), &status), 0);
  testing::overwrite(folder / "model", "Weights");
  const timespec times[] = {status.st_atim, status.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder / "model").c_str(), times, 0), 0);
  EXPECT_EQ(digest_of(folder / "memo", folder / "model"), sha256("Weights"));
}

TEST(DigestMemo, ADamagedFileCountsAsAbsent) {
  const testing::TempFolder folder;
  testing::overwrite(folder / "model", "weights");
  testing::overwrite(folder / "memo", "{\"0:0\": 3}");
  EXPECT_EQ(digest_of(folder / "memo", folder / "model"), sha256("weights"));
}

TEST(DigestMemo, AFolderThatCannotBeWrittenIsNoError) {
  const testing::TempFolder folder;
  testing::overwrite(folder / "model", "weights");
  DigestMemo memo(folder / "absent/memo");
  EXPECT_EQ(digest_of(memo, folder / "model"), sha256("weights"));
  EXPECT_NO_THROW(memo.save());
}

}  // namespace
}  // namespace espalier::cache
