#include <gmock/gmock.h>

#include <cmath>

#include "plugins/shared/chem/test_molecules.h"
#include "plugins/shared/chem_scores/descriptors.h"
#include "plugins/shared/chem_scores/test_rewards.h"
#include "runtime/base/errors.h"

namespace espalier {
namespace {

using chem::testing::scores;
using chem::testing::smiles_samples;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kReward = "reward.rdkit_descriptor";

TEST(RdkitDescriptor, Conforms) {
  auto smiles = chem::testing::drugs();
  smiles[3] = "";
  for (const char* name : {"MolLogP", "TPSA", "SlogP_VSA3"}) {
    conformance::check_reward(conformance::plugin(kReward), {{"name", name}}, smiles_samples(smiles));
  }
}

TEST(RdkitDescriptor, ScoresByMoreLessOrDistanceToATarget) {
  const auto molecules = smiles_samples({"CCO", "O", "c1ccccc1"});
  const chem::Descriptor weight("MolWt");
  const double ethanol = weight.value("CCO"), water = weight.value("O"), benzene = weight.value("c1ccccc1");
  EXPECT_NEAR(ethanol, 46.069, 1e-3);
  EXPECT_EQ(scores(kReward, molecules, {{"name", "MolWt"}}), (std::vector<double>{ethanol, water, benzene}));
  EXPECT_EQ(scores(kReward, molecules, {{"name", "MolWt"}, {"goal", "smaller"}}), (std::vector<double>{-ethanol, -water, -benzene}));
  EXPECT_EQ(scores(kReward, molecules, {{"name", "MolWt"}, {"goal", "target"}, {"target", 50.0}}),
            (std::vector<double>{ethanol - 50.0, water - 50.0, 50.0 - benzene}));
}

TEST(RdkitDescriptor, SkipsInvalidMoleculesUnlessTheyHaveAScore) {
  EXPECT_TRUE(std::isnan(scores(kReward, smiles_samples({""}))[0]));
  EXPECT_EQ(scores(kReward, smiles_samples({""}), {{"invalid", "score"}, {"invalid_score", -9.0}})[0], -9.0);
}

TEST(RdkitDescriptor, RefusesANameThatIsNone) {
  EXPECT_THAT([] { scores(kReward, smiles_samples({"C"}), {{"name", "MolLogp"}}); },
              ThrowsMessage<ConfigError>(HasSubstr("reward.rdkit_descriptor: RDKit has no descriptor 'MolLogp'; did you mean 'MolLogP'?")));
}

}  // namespace
}  // namespace espalier
