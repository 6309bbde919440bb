#include "plugins/shared/chem_scores/descriptors.h"

#include <gmock/gmock.h>

#include <cmath>
#include <ctime>

#include "plugins/shared/chem/test_molecules.h"
#include "plugins/shared/chem_scores/similarity.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// The first lines of the input are names, up to an empty one; then SMILES. A name is the registry's, or the Python module's.
constexpr const char* kScript = R"(
import sys
from rdkit import Chem
from rdkit.Chem import Descriptors
from rdkit.Chem import rdMolDescriptors as r
names, _, smiles = sys.stdin.read().partition('\n\n')
registry = set(r.Properties.GetAvailableProperties())
def find(name):
    if hasattr(Descriptors, name): return getattr(Descriptors, name)
    if name in registry: return lambda mol: r.Properties([name]).ComputeProperties(mol)[0]
    return Descriptors.MolLogP if name == 'logP' else None
functions = [find(name) for name in names.split()]
for line in smiles.split():
    mol = Chem.MolFromSmiles(line)
    print(*[repr(float(f(mol))) for f in functions])
)";

TEST(Descriptors, AreThoseOfRdkitsPythonUnderEveryName) {
  if (!testing::RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  const auto names = descriptor_names();
  EXPECT_GT(names.size(), 100U);
  auto molecules = testing::drugs();
  for (auto& smiles : testing::qm9(60)) molecules.push_back(std::move(smiles));
  auto input = names;
  input.emplace_back();
  input.insert(input.end(), molecules.begin(), molecules.end());
  const auto expected = testing::RdkitPython().numbers(kScript, input);
  ASSERT_EQ(expected.size(), molecules.size());
  for (std::size_t d = 0; d < names.size(); ++d) {
    const Descriptor descriptor(names[d]);
    for (std::size_t i = 0; i < molecules.size(); ++i) {
      const double found = descriptor.value(molecules[i]), wanted = expected[i].at(d);
      EXPECT_TRUE(std::abs(found - wanted) <= 1e-9 * (1.0 + std::abs(wanted)) || (std::isnan(found) && std::isnan(wanted)))
          << names[d] << " of " << molecules[i] << " is " << found << ", not " << wanted;
    }
  }
}

TEST(Descriptors, AreFoundByName) {
  EXPECT_NEAR(Descriptor("MolWt").value("O"), 18.015, 1e-3);
  EXPECT_EQ(Descriptor("logP").value("CCO"), Descriptor("CrippenClogP").value("CCO"));
  EXPECT_NEAR(Descriptor("TPSA").value("CCO"), 20.23, 1e-9);
  EXPECT_THAT([] { Descriptor("MolLogp"); }, ThrowsMessage<ConfigError>(HasSubstr("did you mean 'MolLogP'?")));
  EXPECT_THAT([] { Descriptor("beauty"); }, ThrowsMessage<ConfigError>(HasSubstr("known: ")));
  EXPECT_THROW(Descriptor("TPSA").value("C(C"), DataError);
}

constexpr const char* kSimilarities = R"(
import sys
from rdkit import Chem, DataStructs
from rdkit.Chem import rdMolDescriptors as r
fps = [r.GetMorganFingerprintAsBitVect(Chem.MolFromSmiles(line.strip()), 2, 2048) for line in sys.stdin]
pairs = [t for i in range(1, len(fps)) for t in DataStructs.BulkTanimotoSimilarity(fps[i], fps[:i])]
for i in range(1, len(fps)): print(repr(DataStructs.TanimotoSimilarity(fps[0], fps[i])), fps[i].GetNumOnBits())
print(repr(sum(pairs) / len(pairs)))
)";

TEST(Similarity, IsThatOfRdkitsPython) {
  if (!testing::RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  const auto molecules = testing::drugs();
  const auto expected = testing::RdkitPython().numbers(kSimilarities, molecules);
  std::vector<Fingerprint> fingerprints;
  for (const auto& smiles : molecules) fingerprints.push_back(morgan_fingerprint(smiles));
  for (std::size_t i = 1; i < molecules.size(); ++i) {
    EXPECT_EQ(tanimoto(fingerprints[0], fingerprints[i]), expected[i - 1][0]) << molecules[i];
  }
  EXPECT_NEAR(mean_tanimoto(fingerprints), expected.back()[0], 1e-12);
}

TEST(Similarity, OfEqualAndOfFewMolecules) {
  const auto ethanol = morgan_fingerprint("CCO"), same = morgan_fingerprint("OCC");
  EXPECT_EQ(tanimoto(ethanol, same), 1.0);
  EXPECT_EQ(tanimoto({}, {}), 0.0);
  EXPECT_EQ(mean_tanimoto({}), 0.0);
  EXPECT_EQ(mean_tanimoto(std::vector{ethanol}), 0.0);
  EXPECT_EQ(mean_tanimoto(std::vector{ethanol, same, Fingerprint{}}), 1.0 / 3.0);
}

TEST(Similarity, Speed) {
  std::vector<Fingerprint> fingerprints;
  for (const auto& smiles : testing::qm9(2000)) fingerprints.push_back(morgan_fingerprint(smiles));
  if (fingerprints.empty()) GTEST_SKIP() << "ESPALIER_DATA with qm9_smiles is not set";
  const auto start = std::clock();  // processor time: the machine may be busy
  EXPECT_GT(mean_tanimoto(fingerprints), 0.0);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  RecordProperty("pairs_per_second", std::to_string(2000.0 * 1999.0 / 2.0 / seconds));
}

}  // namespace
}  // namespace espalier::chem
