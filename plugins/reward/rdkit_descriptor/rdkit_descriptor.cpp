// A descriptor that RDKit computes of a molecule's graph (logP, polar surface, weight, ...), as a reward: larger, smaller, or near a value.
#include <cmath>
#include <memory>
#include <string>

#include "plugins/shared/chem_scores/descriptors.h"
#include "plugins/shared/chem_scores/molecule_reward.h"
#include "runtime/sdk/plugin.h"

namespace {

class RdkitDescriptor final : public espalier::chem::SmilesReward {
 public:
  RdkitDescriptor() : SmilesReward("reward.rdkit_descriptor", "skip") {}

  void options(espalier::Schema& schema) override {
    SmilesReward::options(schema);
    schema.text("name", name_, "RDKit's name of the descriptor: MolLogP, TPSA, MolWt, NumRotatableBonds, ...");
    schema.choice("goal", goal_, {"larger", "smaller", "target"}, "The score is x, -x, or -|x - target|.");
    schema.number("target", target_, "The wanted value where goal = \"target\", in the descriptor's own unit.");
  }

  void check() const override { espalier::chem::Descriptor{name_, who()}; }
  void open(const espalier::RewardContext&) override { descriptor_ = std::make_unique<espalier::chem::Descriptor>(name_, who()); }

 protected:
  double judge(const std::string& smiles) const override {
    const double x = descriptor_->value(smiles);
    if (goal_ == "target") return -std::abs(x - target_);
    return goal_ == "larger" ? x : -x;
  }

 private:
  std::string name_ = "MolLogP";
  std::string goal_ = "larger";
  double target_ = 0.0;
  std::unique_ptr<espalier::chem::Descriptor> descriptor_;
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.reward<RdkitDescriptor>("rdkit_descriptor", /*numerics_version=*/1,
                                    "A descriptor of a molecule that RDKit computes, by name: logP, polar surface, weight, ...");
}
