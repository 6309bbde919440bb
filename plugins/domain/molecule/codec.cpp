#include "plugins/domain/molecule/codec.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "plugins/shared/chem/graph.h"
#include "plugins/shared/chem/version.h"
#include "plugins/shared/chem_io/drawing.h"
#include "plugins/shared/chem_io/writers.h"
#include "runtime/base/errors.h"

namespace espalier::molecule {
namespace {

constexpr std::int64_t kClasses = static_cast<std::int64_t>(chem::kElements.size());

std::vector<chem::Atoms> molecules_of(const Sample& sample) {
  const auto numbers = sample.tensors.at("atomic_number").to(at::kCPU).contiguous();           // [B, M]
  const auto positions = sample.tensors.at("position").to(at::kCPU, at::kFloat).contiguous();  // [B, M, 3]
  const auto atoms = static_cast<std::size_t>(numbers.size(1));
  std::vector<chem::Atoms> molecules;
  for (std::size_t b = 0; b < static_cast<std::size_t>(numbers.size(0)); ++b) {
    molecules.push_back(chem::present_atoms({numbers.const_data_ptr<std::int64_t>() + b * atoms, atoms},
                                            {positions.const_data_ptr<float>() + b * kDimensions * atoms, kDimensions * atoms}));
  }
  return molecules;
}

// The class of each atom, -1 where there is none.
at::Tensor classes_of(const at::Tensor& numbers) {
  auto classes = numbers.to(at::kCPU, at::kLong).contiguous().clone();  // [B, M]
  auto* entry = classes.mutable_data_ptr<std::int64_t>();
  for (auto* end = entry + classes.numel(); entry != end; ++entry) {
    const int found = chem::element_class(*entry);
    if (*entry != 0 && found < 0)
      throw DataError("domain.molecule: a sample has the atomic number " + std::to_string(*entry) + ", which is none of H, C, N, O, F");
    *entry = found;
  }
  return classes;
}

}  // namespace

State encode_molecules(const Sample& sample, double position_scale) {
  const auto position = sample.tensors.at("position").to(at::kCPU, at::kDouble);  // [B, M, 3]
  return elements::pack(classes_of(sample.tensors.at("atomic_number")), position.div(position_scale));
}

MoleculeCodec::MoleculeCodec(std::int64_t max_atoms, double position_scale, const ModelInfo* model)
    : SetCodec({max_atoms, kClasses, kDimensions}, model), position_scale_(position_scale) {}

Value MoleculeCodec::key() const {
  Value::List elements(chem::kElements.begin(), chem::kElements.end());
  return Value::Map{{"type", "molecule"},
                    {"elements", Value(std::move(elements))},
                    {"position_scale", position_scale_},
                    {"bonds", "EDM"},
                    {"smiles", "RDKit " + chem::rdkit_version()}};
}

State MoleculeCodec::encode(const Sample& sample, const CodecContext&) const { return encode_molecules(sample, position_scale_); }

Sample MoleculeCodec::decode(const State& state, const CodecContext&) const {
  const auto& present = state.at("present");
  const auto numbers =
      at::tensor(std::vector<std::int64_t>(chem::kElements.begin(), chem::kElements.end()), present.options().dtype(at::kLong));
  const auto token = state.at("token").clamp(0, kClasses - 1);
  Sample sample{"molecule", {}, {}};
  sample.tensors["atomic_number"] = at::where(present, numbers.index_select(0, token.flatten()).view_as(token), 0);
  const auto position = state.at("vector").to(at::kFloat).mul(position_scale_);
  sample.tensors["position"] = at::where(present.unsqueeze(-1), position, at::zeros_like(position));
  auto& smiles = sample.strings["smiles"];
  for (const auto& atoms : molecules_of(sample)) smiles.push_back(chem::read_graph(atoms).smiles);
  return sample;
}

std::vector<Image> MoleculeCodec::draw(const Sample& sample) const {
  std::vector<Image> images;
  for (const auto& atoms : molecules_of(sample)) images.push_back(chem::draw_molecule(atoms));
  return images;
}

std::map<std::string, std::string> MoleculeCodec::records(const Sample& sample) const {
  std::map<std::string, std::string> files;
  const auto molecules = molecules_of(sample);
  for (std::size_t b = 0; b < molecules.size(); ++b) {
    const auto& smiles = sample.strings.at("smiles")[b];
    if (!smiles.empty()) files["molecules.smi"] += smiles + "\n";
    if (!chem::find_defect(molecules[b]).empty()) continue;
    files["molecules.xyz"] += chem::to_xyz(molecules[b], smiles);
    if (chem::find_sdf_defect(molecules[b]).empty()) files["molecules.sdf"] += chem::to_sdf(molecules[b], smiles);
  }
  return files;
}

}  // namespace espalier::molecule
