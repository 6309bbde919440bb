#include <gmock/gmock.h>

#include "plugins/shared/chem/test_samples.h"
#include "plugins/shared/chem_scores/test_rewards.h"
#include "runtime/base/errors.h"

namespace espalier {
namespace {

using namespace chem::testing;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kReward = "reward.molecule_validity";

conformance::RewardSamples samples() {
  const std::vector<chem::Atoms> molecules = {methane(), torn_methane(), crowded_methane(), {}, water(), formaldehyde()};
  return samples_of(molecule_sample(molecules));
}

TEST(MoleculeValidity, Conforms) { conformance::check_reward(conformance::plugin(kReward), {}, samples()); }

TEST(MoleculeValidity, IsWhetherRdkitAcceptsTheWholeGraph) {
  EXPECT_EQ(scores(kReward, samples()), (std::vector<double>{1, 1, 0, 0, 1, 1}));
}

TEST(MoleculeValidity, ReportsWhatItNeeds) {
  auto judged = samples();
  judged.sample.strings["smiles"].pop_back();
  EXPECT_THAT([&] { scores(kReward, judged); }, ThrowsMessage<StageError>(HasSubstr("5 SMILES of 6 molecules")));
  judged.sample.strings.clear();
  EXPECT_THAT([&] { scores(kReward, judged); }, ThrowsMessage<StageError>(HasSubstr("no strings 'smiles'")));
}

}  // namespace
}  // namespace espalier
