#include "plugins/shared/chem_scores/molecule_reward.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <limits>
#include <span>

#include "plugins/shared/chem/atoms.h"
#include "plugins/shared/chem/version.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

at::Tensor tensor_of(const Sample& sample, const std::string& name, std::int64_t dimensions, std::size_t count, const std::string& who) {
  const auto found = sample.tensors.find(name);
  if (found == sample.tensors.end()) throw StageError(who + ": the sample has no tensor '" + name + "'");
  const auto& tensor = found->second;
  if (tensor.dim() != dimensions || tensor.size(0) != static_cast<std::int64_t>(count)) {
    throw StageError(fmt::format("{}: '{}' of {} molecules must have {} dimensions and as many rows; found {} dimensions{}", who, name,
                                 count, dimensions, tensor.dim(), tensor.dim() == 0 ? "" : fmt::format(" and {} rows", tensor.size(0))));
  }
  return tensor;
}

}  // namespace

const std::vector<std::string>& smiles_of(const Sample& sample, std::size_t count, const std::string& who) {
  const auto found = sample.strings.find("smiles");
  if (found == sample.strings.end()) throw StageError(who + ": the sample has no strings 'smiles'");
  if (found->second.size() != count) throw StageError(fmt::format("{}: {} SMILES of {} molecules", who, found->second.size(), count));
  return found->second;
}

std::vector<JudgedStability> stabilities_of(const Sample& sample, std::size_t count, const std::string& who) {
  const auto numbers = tensor_of(sample, "atomic_number", 2, count, who).to(at::kCPU, at::kLong).contiguous();  // [B, M]
  const auto positions = tensor_of(sample, "position", 3, count, who).to(at::kCPU, at::kFloat).contiguous();    // [B, M, 3]
  const auto places = static_cast<std::size_t>(numbers.size(1));
  if (positions.size(1) != numbers.size(1) || positions.size(2) != 3) {
    throw StageError(fmt::format("{}: 'position' is [.., {}, {}], but 'atomic_number' has {} places; it must be [B, M, 3]", who,
                                 positions.size(1), positions.size(2), places));
  }
  std::vector<JudgedStability> result(count);
  for (std::size_t row = 0; row < count; ++row) {
    const Atoms atoms = present_atoms(std::span(numbers.const_data_ptr<std::int64_t>() + row * places, places),
                                      std::span(positions.const_data_ptr<float>() + row * places * 3, places * 3));
    result[row].sound = atoms.atomic_number.empty() || find_defect(atoms).empty();  // no atoms are no defect: such a molecule is unstable
    if (result[row].sound) {
      result[row].stability = measure_stability(atoms);
    } else {
      result[row].stability.atoms = static_cast<int>(atoms.atomic_number.size());
    }
  }
  return result;
}

void SmilesReward::options(Schema& schema) {
  schema.choice("invalid", invalid_, {"score", "skip"},
                "An invalid molecule gets invalid_score, or NaN, which no filter ever selects and which is counted and reported.");
  schema.number("invalid_score", invalid_score_, "Score of an invalid molecule where invalid = \"score\".");
}

Value SmilesReward::identity() const { return Value::Map{{"rdkit", rdkit_version()}}; }

at::Tensor SmilesReward::score(const RewardInput& input) const {
  const auto& smiles = smiles_of(input.sample, input.metadata.size(), who_);
  const double invalid = invalid_ == "score" ? invalid_score_ : std::numeric_limits<double>::quiet_NaN();
  auto scores = at::empty({static_cast<std::int64_t>(smiles.size())}, at::kDouble);
  auto* out = scores.data_ptr<double>();
  for (std::size_t i = 0; i < smiles.size(); ++i) {
    try {
      out[i] = smiles[i].empty() ? invalid : judge(smiles[i]);
    } catch (const std::exception& error) {  // RDKit's too
      throw StageError(who_ + ": sample " + std::to_string(i) + ", '" + smiles[i] + "': " + error.what());
    }
  }
  return scores;
}

}  // namespace espalier::chem
