#include "plugins/shared/chem_scores/qed.h"

#include <GraphMol/ChemTransforms/ChemTransforms.h>
#include <GraphMol/Descriptors/Crippen.h>
#include <GraphMol/Descriptors/Lipinski.h>
#include <GraphMol/Descriptors/MolDescriptors.h>
#include <GraphMol/Descriptors/MolSurf.h>
#include <GraphMol/MolOps.h>
#include <GraphMol/SmilesParse/SmilesParse.h>
#include <GraphMol/Substruct/SubstructMatch.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <span>
#include <vector>

#include "plugins/shared/chem/rdkit_molecule.h"
#include "plugins/shared/chem_scores/qed_data.h"
#include "plugins/shared/chem_scores/smiles_molecule.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

using RDKit::ROMol;

// The asymmetric double sigmoid of a property and its mean weight (QED.py: adsParameters, WEIGHT_MEAN).
struct Desirability {
  double a, b, c, d, e, f, largest, weight;

  double operator()(double x) const {
    const double rise = 1.0 + std::exp(-(x - c + d / 2.0) / e), fall = 1.0 + std::exp(-(x - c - d / 2.0) / f);
    return (a + b / rise * (1.0 - 1.0 / fall)) / largest;
  }
};

constexpr std::array<Desirability, 8> kDesirabilities = {{
    {2.817065973, 392.5754953, 290.7489764, 2.419764353, 49.22325677, 65.37051707, 104.9805561, 0.66},
    {3.172690585, 137.8624751, 2.534937431, 4.581497897, 0.822739154, 0.576295591, 131.3186604, 0.46},
    {2.948620388, 160.4605972, 3.615294657, 4.435986202, 0.290141953, 1.300669958, 148.7763046, 0.05},
    {1.618662227, 1010.051101, 0.985094388, 0.000000001, 0.713820843, 0.920922555, 258.1632616, 0.61},
    {1.876861559, 125.2232657, 62.90773554, 87.83366614, 12.01999824, 28.51324732, 104.5686167, 0.06},
    {0.010000000, 272.4121427, 2.558379970, 1.565547684, 1.271567166, 2.758063707, 105.4420403, 0.65},
    {3.217788970, 957.7374108, 2.274627939, 0.000000001, 1.317690384, 0.375760881, 312.3372610, 0.48},
    {0.010000000, 1199.094025, -0.09002883, 0.000000001, 0.185904477, 0.875193782, 417.7253140, 0.95},
}};

std::unique_ptr<ROMol> compile(const char* smarts) {
  std::unique_ptr<ROMol> query(RDKit::SmartsToMol(smarts));
  if (!query) throw InternalError(std::string("RDKit cannot read the SMARTS '") + smarts + "'");
  return query;
}

std::vector<std::unique_ptr<ROMol>> compile(std::span<const char* const> smarts) {
  std::vector<std::unique_ptr<ROMol>> queries;
  for (const char* text : smarts) queries.push_back(compile(text));
  return queries;
}

bool has(const ROMol& molecule, const ROMol& query) {
  RDKit::MatchVectType match;
  return RDKit::SubstructMatch(molecule, query, match);
}

bool is_aromatic(const ROMol& molecule) {
  for (const auto* atom : molecule.atoms()) {
    if (atom->getIsAromatic()) return true;
  }
  return false;
}

}  // namespace

// RDKit locks a recursive SMARTS while it matches, and caches in it: a thread has queries of its own.
class Qed::Queries {
 public:
  Queries() : acceptors_(compile(qed_data::acceptors())), alerts_(compile(qed_data::alerts())) {}

  double acceptors(const ROMol& molecule) const {
    std::size_t count = 0;
    for (const auto& query : acceptors_) count += RDKit::SubstructMatch(molecule, *query).size();
    return static_cast<double>(count);
  }

  double alerts(const ROMol& molecule) const {
    return static_cast<double>(std::count_if(alerts_.begin(), alerts_.end(), [&](const auto& query) { return has(molecule, *query); }));
  }

  // Of what is left without the aliphatic ring atoms that have a neighbour that is not aromatic. More than RDKit's count of aromatic
  // rings: QED was fitted with it.
  double aromatic_rings(const ROMol& molecule) const {
    if (!is_aromatic(molecule)) return 0.0;  // no ring is left
    const std::unique_ptr<ROMol> rest(RDKit::deleteSubstructs(molecule, *aliphatic_ring_atom_));
    return static_cast<double>(RDKit::MolOps::findSSSR(*rest));
  }

 private:
  std::vector<std::unique_ptr<ROMol>> acceptors_, alerts_;
  std::unique_ptr<ROMol> aliphatic_ring_atom_ = compile(qed_data::kAliphaticRingAtom);
};

struct Qed::Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<Queries>> idle;

  std::unique_ptr<Queries> take() {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        auto queries = std::move(idle.back());
        idle.pop_back();
        return queries;
      }
    }
    return std::make_unique<Queries>();
  }
  void give(std::unique_ptr<Queries> queries) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(queries));
  }
};

double qed_of(const QedProperties& properties) {
  double sum = 0.0, weights = 0.0;
  for (std::size_t i = 0; i < properties.size(); ++i) {
    sum += kDesirabilities[i].weight * std::log(kDesirabilities[i](properties[i]));
    weights += kDesirabilities[i].weight;
  }
  return std::exp(sum / weights);
}

Qed::Qed() : pool_(std::make_unique<Pool>()) {
  silence_rdkit();
  pool_->give(std::make_unique<Queries>());
}

Qed::~Qed() = default;

QedProperties Qed::properties(const std::string& smiles) const {
  namespace descriptors = RDKit::Descriptors;
  const auto molecule = molecule_of(smiles);
  auto queries = pool_->take();
  const QedProperties properties = {
      descriptors::calcAMW(*molecule),    descriptors::calcClogP(*molecule),
      queries->acceptors(*molecule),      static_cast<double>(descriptors::calcNumHBD(*molecule)),
      descriptors::calcTPSA(*molecule),   static_cast<double>(descriptors::calcNumRotatableBonds(*molecule, descriptors::Strict)),
      queries->aromatic_rings(*molecule), queries->alerts(*molecule)};
  pool_->give(std::move(queries));
  return properties;
}

double Qed::score(const std::string& smiles) const { return qed_of(properties(smiles)); }

}  // namespace espalier::chem
