#include "plugins/shared/chem_scores/synthetic_accessibility.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <ctime>
#include <fstream>

#include "plugins/shared/chem/test_molecules.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

constexpr const char* kScript = R"(
import os, sys
from rdkit import Chem, RDConfig
sys.path.append(os.path.join(RDConfig.RDContribDir, 'SA_Score'))
import sascorer
for line in sys.stdin:
    print(repr(sascorer.calculateScore(Chem.MolFromSmiles(line.strip()))))
)";

bool has_data() { return std::filesystem::is_regular_file(default_fragment_scores()); }

TEST(SyntheticAccessibility, IsThatOfTheContribsPython) {
  if (!has_data()) GTEST_SKIP() << "no " << default_fragment_scores() << " (Debian: rdkit-data)";
  if (!testing::RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  const auto molecules = testing::molecules();
  const auto expected = testing::RdkitPython().numbers(kScript, molecules);
  ASSERT_EQ(expected.size(), molecules.size());
  const SyntheticAccessibility accessibility(default_fragment_scores());
  double largest = 0.0;
  for (std::size_t i = 0; i < molecules.size(); ++i) {
    const double found = accessibility.score(molecules[i]);
    EXPECT_NEAR(found, expected[i][0], 1e-6) << molecules[i];
    largest = std::max(largest, std::abs(found - expected[i][0]));
  }
  RecordProperty("molecules", static_cast<int>(molecules.size()));
  RecordProperty("largest_difference", fmt::format("{:.2g}", largest));
}

TEST(SyntheticAccessibility, OrdersEasyBeforeHard) {
  if (!has_data()) GTEST_SKIP() << "no " << default_fragment_scores() << " (Debian: rdkit-data)";
  const SyntheticAccessibility accessibility(default_fragment_scores());
  const double aspirin = accessibility.score("CC(=O)Oc1ccccc1C(=O)O"), cubane = accessibility.score("C12C3C4C1C5C2C3C45");
  EXPECT_NEAR(aspirin, 1.58, 0.01);  // as published with the contrib
  EXPECT_GT(cubane, aspirin);
  EXPECT_THROW(accessibility.score("C(C"), DataError);
  EXPECT_THROW(accessibility.score(""), DataError);
}

// A table of fragment scores in its own file, gzip'ed or not (zlib reads both).
class Table {
 public:
  explicit Table(const std::string& bytes) : path_(std::filesystem::path(::testing::TempDir()) / "fragments.pkl") {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~Table() { std::filesystem::remove(path_); }
  FragmentScores read() const { return FragmentScores(path_); }

 private:
  std::filesystem::path path_;
};

TEST(FragmentScores, AreReadFromThePickle) {
  // pickle.dumps([[-2.5, 7, 4294962778], [1.25, 9], [0.5, 7]], protocol=0), as Python writes it
  const auto table = Table("(lp0\n(lp1\nF-2.5\naI7\naI4294962778\naa(lp2\nF1.25\naI9\naa(lp3\nF0.5\naI7\naa.").read();
  EXPECT_EQ(table.size(), 4U);
  EXPECT_EQ(table.of(7), 0.5);  // the last counts
  EXPECT_EQ(table.of(9), 1.25);
  EXPECT_EQ(table.of(4294962778U), -2.5);
  EXPECT_EQ(table.of(8), -4.0);
}

TEST(FragmentScores, RefuseOtherFiles) {
  const auto refuses = [](const std::string& bytes, const std::string& why) {
    EXPECT_THAT([&] { Table(bytes).read(); }, ::testing::ThrowsMessage<DataError>(::testing::HasSubstr(why))) << bytes;
  };
  refuses("", "it is cut off");
  refuses("(lp0\n(lp1\nF-2.5\naI7", "it is cut off");
  refuses("(lp0\n(lp1\nF-2.5\naI7\na", "it is cut off");
  refuses("(lp0\n.", "no fragment scores");
  refuses("(lp0\nF1.0\na.", "outside the groups");
  refuses("(lp0\n(lp1\nF1.0\naIseven\naa.", "'seven' is no number");
  refuses("(lp0\n(lp1\nF1.0\naI-7\naa.", "'-7' is no number");
  refuses("(lp0\naa.", "nothing is there");
  refuses("cos\nsystem\n(S'true'\ntR.", "opcode 0x63");
  refuses("\x80\x04]", "opcode 0x80");
  EXPECT_THAT([] { FragmentScores("no/such.pkl.gz"); }, ::testing::ThrowsMessage<DataError>(::testing::HasSubstr("rdkit-data")));
}

TEST(SyntheticAccessibility, Speed) {
  const auto molecules = testing::qm9(1000);
  if (molecules.empty() || !has_data()) GTEST_SKIP() << "ESPALIER_DATA with qm9_smiles is not set, or rdkit-data is missing";
  const auto opened = std::clock();  // processor time: the machine may be busy
  const SyntheticAccessibility accessibility(default_fragment_scores());
  const auto start = std::clock();
  for (const auto& smiles : molecules) EXPECT_GE(accessibility.score(smiles), 1.0);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  RecordProperty("molecules_per_second", std::to_string(static_cast<double>(molecules.size()) / seconds));
  RecordProperty("opening_seconds", std::to_string(static_cast<double>(start - opened) / CLOCKS_PER_SEC));
}

}  // namespace
}  // namespace espalier::chem
