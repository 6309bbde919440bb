#include "plugins/domain/molecule/conformer_cache.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "plugins/domain/molecule/test_files.h"
#include "plugins/shared/chem/graph.h"
#include "runtime/base/errors.h"

namespace espalier::molecule {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<std::string> kSmiles = {"CCO", "C", "C1CC1"};

fs::path only_file(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  EXPECT_EQ(files.size(), 1U);
  return files.at(0);
}

std::vector<chem::Atoms> conformers(const std::vector<std::string>& smiles, const fs::path& folder) {
  return conformers_of(smiles, folder, NeverStop());
}

// What is said on stderr while the conformers are fetched.
std::string said(const std::vector<std::string>& smiles, const fs::path& folder) {
  ::testing::internal::CaptureStderr();
  conformers(smiles, folder);
  return ::testing::internal::GetCapturedStderr();
}

bool same(const std::vector<chem::Atoms>& a, const std::vector<chem::Atoms>& b) {
  return std::ranges::equal(a, b,
                            [](const auto& x, const auto& y) { return x.atomic_number == y.atomic_number && x.position == y.position; });
}

TEST(ConformerCache, GivesTheMoleculesThatWereAskedFor) {
  const TempFolder folder;
  const auto made = conformers(kSmiles, folder.path());
  ASSERT_EQ(made.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(chem::read_graph(made[i]).smiles, kSmiles[i]);
  EXPECT_EQ(made[0].atomic_number, (std::vector<int>{6, 6, 8, 1, 1, 1, 1, 1, 1}));
}

TEST(ConformerCache, ReadsWhatItWrote) {
  const TempFolder folder;
  const auto made = conformers(kSmiles, folder.path());
  const auto file = only_file(folder.path());
  EXPECT_EQ(file.filename(), conformer_key(kSmiles) + ".safetensors");
  const auto written = fs::last_write_time(file);
  EXPECT_TRUE(same(conformers(kSmiles, folder.path()), made));
  EXPECT_EQ(fs::last_write_time(only_file(folder.path())), written) << "made again";
}

TEST(ConformerCache, KeyIsOfTheMoleculesInOrder) {
  EXPECT_EQ(conformer_key(kSmiles), conformer_key(kSmiles));
  EXPECT_NE(conformer_key({"C", "CCO", "C1CC1"}), conformer_key(kSmiles));
  EXPECT_NE(conformer_key({"CC", "O"}), conformer_key({"C", "CO"}));
}

TEST(ConformerCache, AGeometryIsAFunctionOfItsMolecule) {
  const TempFolder folder;
  const auto all = conformers(kSmiles, folder.path()), one = conformers({"C1CC1"}, folder.path());
  EXPECT_TRUE(same({all[2]}, one));
}

TEST(ConformerCache, HealsADamagedFile) {
  const TempFolder folder;
  const auto made = conformers(kSmiles, folder.path());
  const auto file = only_file(folder.path());
  const std::string whole = read_file(file);
  std::string flipped = whole;
  flipped[whole.size() - 40] = static_cast<char>(flipped[whole.size() - 40] ^ 1);
  for (const std::string& damaged : {flipped, whole.substr(0, whole.size() / 2), std::string()}) {
    write_file(file, damaged);
    EXPECT_THAT(said(kSmiles, folder.path()), HasSubstr("is damaged"));
    EXPECT_EQ(read_file(file), whole);
    EXPECT_THAT(said(kSmiles, folder.path()), IsEmpty());
  }
  EXPECT_TRUE(same(conformers(kSmiles, folder.path()), made));
}

TEST(ConformerCache, AnotherListsFileIsNotTaken) {
  const TempFolder folder;
  conformers({"C", "N"}, folder.path());
  const auto other = read_file(only_file(folder.path()));
  conformers(kSmiles, folder.path());
  write_file(folder.path() / (conformer_key(kSmiles) + ".safetensors"), other);
  EXPECT_THAT(said(kSmiles, folder.path()), HasSubstr("do not fit"));
}

class StopAtThird final : public StopToken {
 public:
  bool stop_requested() const override { return ++questions_ >= 3; }

 private:
  mutable std::atomic<int> questions_ = 0;
};

TEST(ConformerCache, StopsBetweenTwoMolecules) {
  const TempFolder folder;
  EXPECT_THROW(conformers_of(kSmiles, folder.path(), StopAtThird()), Stopped);
  EXPECT_TRUE(fs::is_empty(folder.path()));
  EXPECT_EQ(conformers(kSmiles, folder.path()).size(), kSmiles.size());
  EXPECT_EQ(conformers_of(kSmiles, folder.path(), StopAtThird()).size(), kSmiles.size()) << "what is kept is not made";
}

TEST(ConformerCache, CountsMoleculesWithoutAGeometry) {
  const TempFolder folder;
  const std::vector<std::string> smiles = {"C", "O=O", "N"};  // MMFF94 has no parameters for dioxygen
  const auto first = said(smiles, folder.path()), again = said(smiles, folder.path());
  EXPECT_THAT(first, AllOf(HasSubstr("of 3 molecules"), HasSubstr("1 skipped: O=O")));
  EXPECT_EQ(first, again) << "a read from the file says the same";
  const auto made = conformers(smiles, folder.path());
  EXPECT_TRUE(made[1].atomic_number.empty());
  EXPECT_EQ(made[2].atomic_number.size(), 4U);
}

TEST(ConformerCache, SaysWhereItCannotWrite) {
  const TempFolder folder;
  write_file(folder.path() / "file", "x");
  EXPECT_THAT([&] { conformers(kSmiles, folder.path() / "file/deeper"); }, ::testing::ThrowsMessage<Error>(HasSubstr("conformer_cache")));
}

}  // namespace
}  // namespace espalier::molecule
