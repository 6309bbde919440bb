#include <gmock/gmock.h>

#include <cmath>

#include "plugins/shared/chem/test_molecules.h"
#include "plugins/shared/chem_scores/qed.h"
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
  const auto reward = conformance::make<Reward>(conformance::plugin("reward.qed"), options);
  reward->open({*domain, nullptr});
  const auto found = reward->score({samples.sample, samples.facts, samples.text});
  return {found.const_data_ptr<double>(), found.const_data_ptr<double>() + found.numel()};
}

TEST(QedReward, Conforms) {
  auto smiles = chem::testing::drugs();
  smiles[3] = "";
  conformance::check_reward(conformance::plugin("reward.qed"), {{"invalid", "skip"}}, samples(smiles));
}

TEST(QedReward, IsQed) {
  const auto smiles = chem::testing::drugs();
  const auto found = scores(samples(smiles));
  const chem::Qed qed;
  for (std::size_t i = 0; i < smiles.size(); ++i) EXPECT_EQ(found[i], qed.score(smiles[i])) << smiles[i];
}

TEST(QedReward, ScoresInvalidMoleculesAsItIsTold) {
  EXPECT_EQ(scores(samples({"", "CCO"}))[0], 0.0);
  EXPECT_EQ(scores(samples({"", "CCO"}), {{"invalid_score", -1.0}})[0], -1.0);
  EXPECT_TRUE(std::isnan(scores(samples({"", "CCO"}), {{"invalid", "skip"}})[0]));
}

TEST(QedReward, NamesASmilesThatRdkitRefuses) {
  EXPECT_THAT([] { scores(samples({"CCO", "C(C"})); }, ThrowsMessage<StageError>(HasSubstr("reward.qed: sample 1, 'C(C'")));
  auto judged = samples({"CCO"});
  judged.sample.strings.clear();
  EXPECT_THAT([&] { scores(judged); }, ThrowsMessage<StageError>(HasSubstr("no strings 'smiles'")));
}

}  // namespace
}  // namespace espalier
