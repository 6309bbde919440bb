#include <gmock/gmock.h>

#include <cmath>
#include <ctime>
#include <limits>

#include "plugins/shared/chem/test_samples.h"
#include "plugins/shared/chem_scores/test_rewards.h"
#include "runtime/base/errors.h"

namespace espalier {
namespace {

using namespace chem::testing;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kReward = "reward.molecule_stability";

conformance::RewardSamples samples(const std::vector<chem::Atoms>& molecules) { return samples_of(molecule_sample(molecules)); }

const std::vector<chem::Atoms> kMolecules = {methane(), torn_methane(), crowded_methane(), {}, water(), formaldehyde(), hydrogen_cyanide()};

TEST(MoleculeStability, Conforms) {
  for (const char* of : {"molecule", "atoms"}) {
    conformance::check_reward(conformance::plugin(kReward), {{"of", of}}, samples(kMolecules));
  }
}

TEST(MoleculeStability, CountsFullValences) {
  EXPECT_EQ(scores(kReward, samples(kMolecules)), (std::vector<double>{1, 0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(scores(kReward, samples(kMolecules), {{"of", "atoms"}}), (std::vector<double>{1, 3.0 / 5.0, 5.0 / 6.0, 0, 1, 1, 1}));
}

TEST(MoleculeStability, OfANanPositionOrAnUnknownElementIsNan) {
  auto judged = samples({methane(), water(), methane()});
  judged.sample.tensors["position"][0][2][1] = std::numeric_limits<float>::quiet_NaN();
  judged.sample.tensors["atomic_number"][2][0] = 14;
  const auto found = scores(kReward, judged);
  EXPECT_TRUE(std::isnan(found[0]));
  EXPECT_EQ(found[1], 1.0);
  EXPECT_TRUE(std::isnan(found[2]));
}

TEST(MoleculeStability, ReportsWhatItNeeds) {
  auto judged = samples({methane()});
  judged.sample.tensors["position"] = judged.sample.tensors["position"].narrow(1, 0, 2);
  EXPECT_THAT([&] { scores(kReward, judged); }, ThrowsMessage<StageError>(HasSubstr("must be [B, M, 3]")));
  judged.sample.tensors.erase("position");
  EXPECT_THAT([&] { scores(kReward, judged); }, ThrowsMessage<StageError>(HasSubstr("no tensor 'position'")));
}

TEST(MoleculeStability, Speed) {
  chem::Atoms large;  // 29 atoms, QM9's largest: 9 carbons in a row and their hydrogens, roughly
  for (int i = 0; i < 9; ++i) {
    large.atomic_number.push_back(6);
    large.position.push_back({1.27 * i, i % 2 == 0 ? 0.0 : 0.87, 0.0});
  }
  for (int i = 0; i < 20; ++i) {
    large.atomic_number.push_back(1);
    large.position.push_back({0.6 * i, i % 2 == 0 ? -0.6 : 1.5, i % 4 < 2 ? 0.89 : -0.89});
  }
  auto judged = samples(std::vector<chem::Atoms>(10000, large));
  const auto start = std::clock();  // processor time: the machine may be busy
  const auto found = scores(kReward, judged, {{"of", "atoms"}});
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  EXPECT_GT(found.front(), 0.0);
  EXPECT_EQ(found.front(), found.back());
  RecordProperty("molecules_per_second", std::to_string(10000.0 / seconds));
  EXPECT_GT(10000.0 / seconds, 5000.0);
}

}  // namespace
}  // namespace espalier
