#include <gmock/gmock.h>

#include "plugins/shared/chem/test_samples.h"
#include "runtime/base/errors.h"
#include "tests/conformance/conformance.h"

namespace espalier {
namespace {

using namespace chem::testing;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

conformance::RewardSamples samples() {
  const std::vector<chem::Atoms> molecules = {methane(), torn_methane(), crowded_methane(), {}, water(), formaldehyde()};
  return {molecule_sample(molecules), std::vector<Value>(molecules.size()), std::vector<std::string>(molecules.size())};
}

std::vector<double> scores(const conformance::RewardSamples& samples) {
  const auto reward = conformance::make<Reward>(conformance::plugin("reward.molecule_validity"));
  const auto found = reward->score({samples.sample, samples.facts, samples.text});
  return {found.const_data_ptr<double>(), found.const_data_ptr<double>() + found.numel()};
}

TEST(MoleculeValidity, Conforms) { conformance::check_reward(conformance::plugin("reward.molecule_validity"), {}, samples()); }

TEST(MoleculeValidity, IsWhetherRdkitAcceptsTheWholeGraph) { EXPECT_EQ(scores(samples()), (std::vector<double>{1, 1, 0, 0, 1, 1})); }

TEST(MoleculeValidity, SaysWhatItNeeds) {
  auto judged = samples();
  judged.sample.strings["smiles"].pop_back();
  EXPECT_THAT([&] { scores(judged); }, ThrowsMessage<StageError>(HasSubstr("5 SMILES of 6 molecules")));
  judged.sample.strings.clear();
  EXPECT_THAT([&] { scores(judged); }, ThrowsMessage<StageError>(HasSubstr("no strings 'smiles'")));
}

}  // namespace
}  // namespace espalier
