#pragma once

#include <array>
#include <memory>
#include <string>

// Quantitative estimate of drug-likeness (Bickerton, Paolini, Besnard, Muresan, Hopkins, Nature Chemistry 4, 90-98, 2012), a port of
// RDKit's Python (rdkit/Chem/QED.py, release 2022.09.3), with its mean weights:
//   QED  = exp(sum_i w_i log d_i(x_i) / sum_i w_i)
//   d(x) = (A + B / (1 + e^(-(x - C + D/2) / E)) (1 - 1 / (1 + e^(-(x - C - D/2) / F)))) / d_max
// over the eight properties below; the constants are in qed.cpp.
namespace espalier::chem {

// The properties x_i, in this order.
enum class QedProperty { molecular_weight, alogp, acceptors, donors, polar_surface_area, rotatable_bonds, aromatic_rings, alerts };
using QedProperties = std::array<double, 8>;

// In (0, 1], larger is more drug-like.
double qed_of(const QedProperties& properties);

// Its SMARTS are compiled once, and once more for each further thread that uses it at the same time. Thread-safe.
class Qed {
 public:
  Qed();
  ~Qed();
  Qed(const Qed&) = delete;
  Qed& operator=(const Qed&) = delete;

  // Both throw DataError for a text that is no SMILES of at least one atom.
  QedProperties properties(const std::string& smiles) const;
  double score(const std::string& smiles) const;

 private:
  class Queries;
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace espalier::chem
