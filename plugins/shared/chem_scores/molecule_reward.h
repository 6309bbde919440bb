#pragma once

#include <string>
#include <vector>

#include "plugins/shared/chem/bonds.h"
#include "runtime/sdk/reward.h"

// What rewards (and metrics) that look at samples of kind "molecule" share. `who` begins their messages: "reward.qed".
namespace espalier::chem {

// "smiles" [B] of the sample; "" where the molecule is invalid. Throws StageError when it is missing or B is not `count`.
const std::vector<std::string>& smiles_of(const Sample& sample, std::size_t count, const std::string& who);

// A molecule with a NaN or an infinite position or an element that is not H C N O F is not `sound`: none of its atoms is stable.
struct JudgedStability {
  Stability stability;
  bool sound = true;
};
// Of each molecule by its "atomic_number" [B, M] and "position" [B, M, 3], angstrom. Throws StageError when a tensor is missing or has
// another shape.
std::vector<JudgedStability> stabilities_of(const Sample& sample, std::size_t count, const std::string& who);

// A reward of a valid molecule's SMILES alone. A derived class gives its own options after those of this one.
class SmilesReward : public Reward {
 public:
  SmilesReward(std::string who, std::string invalid) : who_(std::move(who)), invalid_(std::move(invalid)) {}

  void options(Schema& schema) override;
  void inputs(Inputs& in) override { in.trajectories("samples").of("molecule"); }
  Value identity() const override;  // RDKit's release: its numbers may change with it
  // [B] double. Throws StageError for a SMILES that RDKit refuses: the domain promised valid ones.
  at::Tensor score(const RewardInput& input) const final;

 protected:
  virtual double judge(const std::string& smiles) const = 0;
  const std::string& who() const { return who_; }

 private:
  std::string who_;
  std::string invalid_;  // "score" or "skip"
  double invalid_score_ = 0.0;
};

}  // namespace espalier::chem
