#include <gmock/gmock.h>

#include <cmath>

#include "plugins/shared/chem/test_molecules.h"
#include "plugins/shared/chem_scores/qed.h"
#include "plugins/shared/chem_scores/test_rewards.h"
#include "runtime/base/errors.h"

namespace espalier {
namespace {

using chem::testing::scores;
using chem::testing::smiles_samples;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kReward = "reward.qed";

TEST(QedReward, Conforms) {
  auto smiles = chem::testing::drugs();
  smiles[3] = "";
  conformance::check_reward(conformance::plugin(kReward), {{"invalid", "skip"}}, smiles_samples(smiles));
}

TEST(QedReward, IsQed) {
  const auto smiles = chem::testing::drugs();
  const auto found = scores(kReward, smiles_samples(smiles));
  const chem::Qed qed;
  for (std::size_t i = 0; i < smiles.size(); ++i) EXPECT_EQ(found[i], qed.score(smiles[i])) << smiles[i];
}

TEST(QedReward, ScoresInvalidMoleculesByItsOptions) {
  EXPECT_EQ(scores(kReward, smiles_samples({"", "CCO"}))[0], 0.0);
  EXPECT_EQ(scores(kReward, smiles_samples({"", "CCO"}), {{"invalid_score", -1.0}})[0], -1.0);
  EXPECT_TRUE(std::isnan(scores(kReward, smiles_samples({"", "CCO"}), {{"invalid", "skip"}})[0]));
}

TEST(QedReward, NamesASmilesThatRdkitRefuses) {
  EXPECT_THAT([] { scores(kReward, smiles_samples({"CCO", "C(C"})); }, ThrowsMessage<StageError>(HasSubstr("reward.qed: sample 1, 'C(C'")));
  auto judged = smiles_samples({"CCO"});
  judged.sample.strings.clear();
  EXPECT_THAT([&] { scores(kReward, judged); }, ThrowsMessage<StageError>(HasSubstr("no strings 'smiles'")));
}

}  // namespace
}  // namespace espalier
