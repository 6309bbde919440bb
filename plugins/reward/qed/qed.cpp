// Quantitative estimate of drug-likeness, in (0, 1].
#include "plugins/shared/chem_scores/qed.h"

#include <memory>

#include "plugins/shared/chem_scores/molecule_reward.h"
#include "runtime/sdk/plugin.h"

namespace {

class QedReward final : public espalier::chem::SmilesReward {
 public:
  QedReward() : SmilesReward("reward.qed", "score") {}
  void open(const espalier::RewardContext&) override { qed_ = std::make_unique<espalier::chem::Qed>(); }

 protected:
  double judge(const std::string& smiles) const override { return qed_->score(smiles); }

 private:
  std::unique_ptr<espalier::chem::Qed> qed_;
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.reward<QedReward>("qed", /*numerics_version=*/1, "Drug-likeness of a molecule (Bickerton et al. 2012, as RDKit computes it).");
}
