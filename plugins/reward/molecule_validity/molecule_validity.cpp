// 1 for a molecule whose whole graph passes RDKit's sanitisation, else 0.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "plugins/shared/chem_scores/molecule_reward.h"
#include "runtime/sdk/plugin.h"

namespace {

class MoleculeValidity final : public espalier::Reward {
 public:
  void inputs(espalier::Inputs& in) override { in.trajectories("samples").of("molecule"); }
  // sample: "smiles" [B], "" where the molecule is invalid.
  at::Tensor score(const espalier::RewardInput& input) const override {
    const auto& smiles = espalier::chem::smiles_of(input.sample, input.metadata.size(), "reward.molecule_validity");
    at::Tensor scores = at::empty({static_cast<std::int64_t>(smiles.size())}, at::kDouble);
    auto* out = scores.data_ptr<double>();
    for (std::size_t i = 0; i < smiles.size(); ++i) out[i] = smiles[i].empty() ? 0.0 : 1.0;
    return scores;
  }
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.reward<MoleculeValidity>("molecule_validity", /*numerics_version=*/1,
                                     "1 for a molecule whose whole graph passes RDKit's sanitisation, else 0.");
}
