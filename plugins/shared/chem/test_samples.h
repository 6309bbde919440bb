#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

#include "plugins/shared/chem/graph.h"
#include "runtime/sdk/domain.h"

// For tests: samples of kind "molecule", and molecules whose stability and validity one can tell by hand (angstrom).
namespace espalier::chem::testing {

// As a domain decodes them: padded to the largest, with the SMILES that read_graph gives.
inline Sample molecule_sample(const std::vector<Atoms>& molecules) {
  std::size_t places = 1;
  for (const auto& atoms : molecules) places = std::max(places, atoms.atomic_number.size());
  const auto rows = static_cast<std::int64_t>(molecules.size());
  Sample sample{"molecule",
                {{"atomic_number", at::zeros({rows, static_cast<std::int64_t>(places)}, at::kLong)},
                 {"position", at::zeros({rows, static_cast<std::int64_t>(places), 3}, at::kFloat)}},
                {{"smiles", {}}}};
  auto* number = sample.tensors["atomic_number"].data_ptr<std::int64_t>();
  auto* position = sample.tensors["position"].data_ptr<float>();
  for (const auto& atoms : molecules) {
    for (std::size_t a = 0; a < atoms.atomic_number.size(); ++a) {
      number[a] = atoms.atomic_number[a];
      for (std::size_t d = 0; d < 3; ++d) position[3 * a + d] = static_cast<float>(atoms.position[a][d]);
    }
    number += places;
    position += 3 * places;
    sample.strings["smiles"].push_back(read_graph(atoms).smiles);
  }
  return sample;
}

inline Atoms methane() {
  constexpr double a = 0.6293;  // 1.09 / sqrt(3)
  return {{6, 1, 1, 1, 1}, {{0, 0, 0}, {a, a, a}, {a, -a, -a}, {-a, a, -a}, {-a, -a, a}}};
}
inline Atoms water() { return {{8, 1, 1}, {{0, 0, 0}, {0.9572, 0, 0}, {-0.24, 0.9266, 0}}}; }
inline Atoms formaldehyde() { return {{6, 8, 1, 1}, {{0, 0, 0}, {0, 0, 1.21}, {0.943, 0, -0.545}, {-0.943, 0, -0.545}}}; }
inline Atoms hydrogen_cyanide() { return {{1, 6, 7}, {{0, 0, -1.07}, {0, 0, 0}, {0, 0, 1.156}}}; }

// A hydrogen has left: carbon and that hydrogen are unstable, three hydrogens are stable. Valid: RDKit completes both pieces.
inline Atoms torn_methane() {
  Atoms atoms = methane();
  atoms.position[4] = {-3.0, -3.0, 3.0};
  return atoms;
}
// A fifth hydrogen: carbon alone is unstable. Invalid.
inline Atoms crowded_methane() {
  Atoms atoms = methane();
  atoms.atomic_number.push_back(1);
  atoms.position.push_back({0.0, 0.0, -1.09});
  return atoms;
}

}  // namespace espalier::chem::testing
