#include "plugins/shared/chem_scores/qed.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <ctime>
#include <thread>

#include "plugins/shared/chem/test_molecules.h"
#include "plugins/shared/chem_scores/qed_data.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

constexpr const char* kScript = R"(
import sys
from rdkit import Chem
from rdkit.Chem import QED
for line in sys.stdin:
    mol = Chem.MolFromSmiles(line.strip())
    print(*[repr(float(x)) for x in QED.properties(mol)], repr(QED.qed(mol)))
)";

TEST(Qed, IsThatOfRdkitsPython) {
  if (!testing::RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  const auto molecules = testing::molecules();
  const auto expected = testing::RdkitPython().numbers(kScript, molecules);
  ASSERT_EQ(expected.size(), molecules.size());
  const Qed qed;
  double largest = 0.0;
  for (std::size_t i = 0; i < molecules.size(); ++i) {
    SCOPED_TRACE(molecules[i]);
    const auto properties = qed.properties(molecules[i]);
    for (std::size_t p = 0; p < properties.size(); ++p) EXPECT_NEAR(properties[p], expected[i][p], 1e-6) << "property " << p;
    EXPECT_NEAR(qed.score(molecules[i]), expected[i][8], 1e-6);
    largest = std::max(largest, std::abs(qed.score(molecules[i]) - expected[i][8]));
  }
  RecordProperty("molecules", static_cast<int>(molecules.size()));
  RecordProperty("largest_difference", fmt::format("{:.2g}", largest));
}

// QED.py's own examples, of Bickerton's original values; no Python needed.
TEST(Qed, IsThatOfThePublishedExamples) {
  const Qed qed;
  EXPECT_NEAR(qed.score("N=C(CCSCc1csc(N=C(N)N)n1)NS(N)(=O)=O"), 0.2535, 6e-4);
  EXPECT_NEAR(qed.score("CNC(=NCCSCc1nc[nH]c1C)NC#N"), 0.2345, 6e-4);
  EXPECT_NEAR(qed.score("CCCCCNC(=N)NN=Cc1c[nH]c2ccc(CO)cc12"), 0.2345, 6e-4);
  EXPECT_EQ(qed_data::acceptors().size(), 11U);
  EXPECT_EQ(qed_data::alerts().size(), 116U);
}

TEST(Qed, CountsAlertsAndRingsAsItWasFitted) {
  const Qed qed;
  const auto of = [&](const char* smiles, QedProperty property) { return qed.properties(smiles)[static_cast<std::size_t>(property)]; };
  EXPECT_EQ(of("CC(C)C1=CC2=C(C)C=CC2=C(C)C=C1", QedProperty::aromatic_rings), 2.0);
  EXPECT_EQ(of("C1CCCCC1", QedProperty::aromatic_rings), 0.0);
  EXPECT_EQ(of("CC=O", QedProperty::alerts), 1.0);  // an aldehyde
  EXPECT_EQ(of("CCI", QedProperty::alerts), 2.0);   // an alkyl halide, and iodine
  EXPECT_EQ(of("CCO", QedProperty::acceptors), 1.0);
}

TEST(Qed, RefusesATextThatIsNoMolecule) {
  const Qed qed;
  EXPECT_THAT([&] { qed.score("C(C"); }, ::testing::ThrowsMessage<DataError>(::testing::HasSubstr("'C(C'")));
  EXPECT_THROW(qed.score(""), DataError);
  EXPECT_THROW(qed.score("C(C)(C)(C)(C)C"), DataError);
}

TEST(Qed, GivesEqualBitsFromFourThreads) {
  const Qed qed;
  const auto molecules = testing::drugs();
  std::vector<double> alone;
  for (const auto& smiles : molecules) alone.push_back(qed.score(smiles));
  std::vector<std::vector<double>> found(4);
  std::vector<std::thread> threads;
  for (auto& mine : found) {
    threads.emplace_back([&] {
      for (const auto& smiles : molecules) mine.push_back(qed.score(smiles));
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& mine : found) EXPECT_EQ(mine, alone);
}

TEST(Qed, Speed) {
  const auto molecules = testing::qm9(1000);
  if (molecules.empty()) GTEST_SKIP() << "ESPALIER_DATA with qm9_smiles is not set";
  const Qed qed;
  const auto start = std::clock();  // processor time: the machine may be busy
  for (const auto& smiles : molecules) EXPECT_GT(qed.score(smiles), 0.0);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  RecordProperty("molecules_per_second", std::to_string(static_cast<double>(molecules.size()) / seconds));
}

}  // namespace
}  // namespace espalier::chem
