#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plugins/shared/chem/atoms.h"
#include "plugins/shared/elements/set_domain.h"

// A molecule as a set of elements: an atom's element is the token (H C N O F = 0..4), its position the vector.
namespace espalier::molecule {

inline constexpr std::int64_t kDimensions = 3;

// Of a sample of kind "molecule": vector = position / position_scale, computed in double; nothing is frozen. Throws DataError for an atomic
// number that is none of H, C, N, O, F.
State encode_molecules(const Sample& sample, double position_scale);

class MoleculeCodec final : public elements::SetCodec {
 public:
  MoleculeCodec(std::int64_t max_atoms, double position_scale, const ModelInfo* model);

  Value key() const override;
  State encode(const Sample& sample, const CodecContext& context) const override;
  // With the strings "smiles": "" where the atoms are no valid molecule.
  Sample decode(const State& state, const CodecContext& context) const override;
  std::vector<Image> draw(const Sample& sample) const override;
  // The SMILES are those of the valid ones; atoms that are nowhere (NaN) are in no file, and those too far for SDF's columns in XYZ alone.
  std::map<std::string, std::string> records(const Sample& sample) const override;
  bool has_canonical_keys() const override { return true; }
  std::vector<std::string> canonical_keys(const Sample& sample) const override { return sample.strings.at("smiles"); }

 private:
  double position_scale_;  // angstrom a unit
};

}  // namespace espalier::molecule
