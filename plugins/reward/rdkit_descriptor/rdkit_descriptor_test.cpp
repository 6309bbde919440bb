#include <gmock/gmock.h>

#include <cmath>

#include "plugins/shared/chem/test_molecules.h"
#include "plugins/shared/chem_scores/descriptors.h"
#include "runtime/base/errors.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

conformance::RewardSamples samples(const std::vector<std::string>& smiles) {
  return {{"molecule", {}, {{"smiles", smiles}}}, std::vector<Value>(smiles.size()), std::vector<std::string>(smiles.size())};
}

std::vector<double> scores(const conformance::RewardSamples& samples, const conformance::Options& options = {}) {
  const auto domain = conformance::toy_domain();
  const auto reward = conformance::make<Reward>(conformance::plugin("reward.rdkit_descriptor"), options);
  reward->open({*domain, nullptr});
  const auto found = reward->score({samples.sample, samples.facts, samples.text});
  return {found.const_data_ptr<double>(), found.const_data_ptr<double>() + found.numel()};
}

TEST(RdkitDescriptor, Conforms) {
  auto smiles = chem::testing::drugs();
  smiles[3] = "";
  for (const char* name : {"MolLogP", "TPSA", "SlogP_VSA3"}) {
    conformance::check_reward(conformance::plugin("reward.rdkit_descriptor"), {{"name", name}}, samples(smiles));
  }
}

TEST(RdkitDescriptor, WantsMoreLessOrAValue) {
  const auto molecules = samples({"CCO", "O", "c1ccccc1"});
  const chem::Descriptor weight("MolWt");
  const double ethanol = weight.value("CCO"), water = weight.value("O"), benzene = weight.value("c1ccccc1");
  EXPECT_NEAR(ethanol, 46.069, 1e-3);
  EXPECT_EQ(scores(molecules, {{"name", "MolWt"}}), (std::vector<double>{ethanol, water, benzene}));
  EXPECT_EQ(scores(molecules, {{"name", "MolWt"}, {"goal", "smaller"}}), (std::vector<double>{-ethanol, -water, -benzene}));
  EXPECT_EQ(scores(molecules, {{"name", "MolWt"}, {"goal", "target"}, {"target", 50.0}}),
            (std::vector<double>{ethanol - 50.0, water - 50.0, 50.0 - benzene}));
}

TEST(RdkitDescriptor, SkipsInvalidMoleculesUnlessTheyHaveAScore) {
  EXPECT_TRUE(std::isnan(scores(samples({""}))[0]));
  EXPECT_EQ(scores(samples({""}), {{"invalid", "score"}, {"invalid_score", -9.0}})[0], -9.0);
}

TEST(RdkitDescriptor, RefusesANameThatIsNone) {
  EXPECT_THAT([] { scores(samples({"C"}), {{"name", "MolLogp"}}); },
              ThrowsMessage<ConfigError>(HasSubstr("reward.rdkit_descriptor: RDKit has no descriptor 'MolLogp'; did you mean 'MolLogP'?")));
}

}  // namespace
}  // namespace espalier
