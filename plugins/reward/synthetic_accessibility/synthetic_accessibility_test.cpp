#include "plugins/shared/chem_scores/synthetic_accessibility.h"

#include <gmock/gmock.h>

#include <cmath>

#include "plugins/shared/chem/test_molecules.h"
#include "plugins/shared/chem_scores/test_rewards.h"
#include "runtime/base/errors.h"

namespace espalier {
namespace {

using chem::testing::scores;
using chem::testing::smiles_samples;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kReward = "reward.synthetic_accessibility";

class SyntheticAccessibilityReward : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::is_regular_file(chem::default_fragment_scores()))
      GTEST_SKIP() << "no " << chem::default_fragment_scores() << " (Debian: rdkit-data)";
  }
};

TEST_F(SyntheticAccessibilityReward, Conforms) {
  auto smiles = chem::testing::drugs();
  smiles[3] = "";
  conformance::check_reward(conformance::plugin(kReward), {{"invalid", "skip"}}, smiles_samples(smiles));
}

TEST_F(SyntheticAccessibilityReward, IsTheScoreOrItsShareOfEase) {
  const std::vector<std::string> smiles = {"CC(=O)Oc1ccccc1C(=O)O", "C12C3C4C1C5C2C3C45", ""};
  const chem::SyntheticAccessibility accessibility(chem::default_fragment_scores());
  const double aspirin = accessibility.score(smiles[0]), cubane = accessibility.score(smiles[1]);
  EXPECT_EQ(scores(kReward, smiles_samples(smiles), {{"normalise", false}, {"invalid_score", 10.0}}),
            (std::vector<double>{aspirin, cubane, 10.0}));
  EXPECT_EQ(scores(kReward, smiles_samples(smiles)), (std::vector<double>{(10.0 - aspirin) / 9.0, (10.0 - cubane) / 9.0, 0.0}));
}

TEST_F(SyntheticAccessibilityReward, TakesItsDataFromAFileThatIsNamed) {
  const auto entry = conformance::plugin(kReward);
  const auto file = chem::default_fragment_scores();
  const auto named = conformance::make<Reward>(entry, {{"data", file.string()}});
  EXPECT_EQ(named->identity(), conformance::make<Reward>(entry)->identity());  // the content counts, not the path
}

TEST(SyntheticAccessibilityData, ReportsWhatIsMissing) {
  const auto reward = conformance::make<Reward>(conformance::plugin(kReward), {{"data", "no/such.pkl.gz"}});
  EXPECT_THAT([&] { reward->identity(); }, ThrowsMessage<DataError>(HasSubstr("Debian: rdkit-data")));
  const auto domain = conformance::toy_domain();
  EXPECT_THAT([&] { reward->open({*domain, nullptr}); }, ThrowsMessage<DataError>(HasSubstr("no/such.pkl.gz: no such file")));
}

}  // namespace
}  // namespace espalier
