// How easily a molecule can be made: the synthetic accessibility score of Ertl and Schuffenhauer, mapped to [0, 1] or as it is.
#include "plugins/shared/chem_scores/synthetic_accessibility.h"

#include <filesystem>
#include <memory>
#include <string>

#include "plugins/shared/chem_scores/molecule_reward.h"
#include "runtime/base/digest.h"
#include "runtime/sdk/plugin.h"

namespace {

namespace chem = espalier::chem;

class SyntheticAccessibilityReward final : public chem::SmilesReward {
 public:
  SyntheticAccessibilityReward() : SmilesReward("reward.synthetic_accessibility", "score") {}

  void options(espalier::Schema& schema) override {
    SmilesReward::options(schema);
    schema.flag("normalise", normalise_, "(10 - s) / 9, in [0, 1], larger is easier to make; else s itself, 1 (easy) to 10 (hard).");
    schema
        .path("data", data_,
              "The fragment scores, RDKit's Contrib/SA_Score/fpscores.pkl.gz; empty: in $RDBASE, or where Debian's rdkit-data has it.")
        .operational();
  }

  void check() const override { chem::SyntheticAccessibility{file()}; }

  espalier::Value identity() const override {
    auto identity = SmilesReward::identity();
    identity["fragment_scores"] = espalier::digest_file(file());
    return identity;
  }
  void open(const espalier::RewardContext&) override { accessibility_ = std::make_unique<chem::SyntheticAccessibility>(file()); }

 protected:
  double judge(const std::string& smiles) const override {
    const double score = accessibility_->score(smiles);
    return normalise_ ? (10.0 - score) / 9.0 : score;
  }

 private:
  std::filesystem::path file() const {
    const auto file = data_.empty() ? chem::default_fragment_scores() : std::filesystem::path(data_);
    chem::require_fragment_scores(file);
    return file;
  }

  bool normalise_ = true;
  std::string data_;
  std::unique_ptr<chem::SyntheticAccessibility> accessibility_;
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.reward<SyntheticAccessibilityReward>("synthetic_accessibility", /*numerics_version=*/1,
                                                 "How easily a molecule can be made (Ertl and Schuffenhauer 2009, as RDKit computes it).");
}
