// EDM's stability, of a molecule or of its atoms: whether the bonds, read off the distances, fill each atom's valence.
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>

#include <limits>
#include <string>

#include "plugins/shared/chem_scores/molecule_reward.h"
#include "runtime/sdk/plugin.h"

namespace {

class MoleculeStability final : public espalier::Reward {
 public:
  void inputs(espalier::Inputs& in) override { in.trajectories("samples").of("molecule"); }
  void options(espalier::Schema& schema) override {
    schema.choice("of", of_, {"molecule", "atoms"}, "1 if all atoms are stable and else 0, or the share of atoms that are stable.");
  }

  // sample: "atomic_number" [B, M], "position" [B, M, 3] in angstrom. NaN for a molecule with a NaN position or another element.
  at::Tensor score(const espalier::RewardInput& input) const override {
    const auto stabilities = espalier::chem::stabilities_of(input.sample, input.metadata.size(), "reward.molecule_stability");
    at::Tensor scores = at::full({static_cast<std::int64_t>(stabilities.size())}, std::numeric_limits<double>::quiet_NaN(), at::kDouble);
    auto* out = scores.data_ptr<double>();
    for (std::size_t i = 0; i < stabilities.size(); ++i) {
      const auto& [stability, sound] = stabilities[i];
      if (sound) out[i] = of_ == "molecule" ? (stability.molecule_stable ? 1.0 : 0.0) : share(stability);
    }
    return scores;
  }

 private:
  static double share(const espalier::chem::Stability& stability) {
    return stability.atoms == 0 ? 0.0 : static_cast<double>(stability.stable_atoms) / stability.atoms;
  }

  std::string of_ = "molecule";
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.reward<MoleculeStability>("molecule_stability", /*numerics_version=*/1,
                                      "Whether a molecule's bonds by distance fill its atoms' valences (EDM's stability).");
}
