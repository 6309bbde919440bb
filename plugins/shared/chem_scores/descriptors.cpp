#include "plugins/shared/chem_scores/descriptors.h"

#include <GraphMol/Descriptors/ConnectivityDescriptors.h>
#include <GraphMol/Descriptors/Crippen.h>
#include <GraphMol/Descriptors/Lipinski.h>
#include <GraphMol/Descriptors/MolDescriptors.h>
#include <GraphMol/Descriptors/MolSurf.h>
#include <GraphMol/Descriptors/Property.h>
#include <GraphMol/PeriodicTable.h>

#include <map>

#include "plugins/shared/chem/rdkit_molecule.h"
#include "plugins/shared/chem_scores/smiles_molecule.h"
#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier::chem {
namespace {

using RDKit::ROMol;
namespace descriptors = RDKit::Descriptors;

using Compute = std::function<double(const ROMol&)>;
using Table = std::map<std::string, Compute>;

// The Python module's names for members of the registry.
constexpr std::pair<const char*, const char*> kAliases[] = {
    {"MolWt", "amw"},
    {"ExactMolWt", "exactmw"},
    {"logP", "CrippenClogP"},
    {"MolLogP", "CrippenClogP"},
    {"MolMR", "CrippenMR"},
    {"TPSA", "tpsa"},
    {"LabuteASA", "labuteASA"},
    {"NOCount", "lipinskiHBA"},
    {"NHOHCount", "lipinskiHBD"},
    {"NumHAcceptors", "NumHBA"},
    {"NumHDonors", "NumHBD"},
    {"HeavyAtomCount", "NumHeavyAtoms"},
    {"RingCount", "NumRings"},
    {"HallKierAlpha", "hallKierAlpha"},
    {"Kappa1", "kappa1"},
    {"Kappa2", "kappa2"},
    {"Kappa3", "kappa3"},
};

// As Descriptors.py counts them: outer electrons less charge, and hydrogens'.
double valence_electrons(const ROMol& molecule) {
  const auto* table = RDKit::PeriodicTable::getTable();
  int count = 0;
  for (const auto* atom : molecule.atoms()) {
    count += table->getNouterElecs(atom->getAtomicNum()) - atom->getFormalCharge() + static_cast<int>(atom->getTotalNumHs());
  }
  return count;
}

double radical_electrons(const ROMol& molecule) {
  unsigned count = 0;
  for (const auto* atom : molecule.atoms()) count += atom->getNumRadicalElectrons();
  return count;
}

// Not by way of the registry, which in release 2022.09 gives chi3v and chi3n under the names chi2v and chi2n.
void add_connectivity(Table& table) {
  using Index = double (*)(const ROMol&, bool);
  constexpr std::pair<const char*, Index> kIndices[] = {{"Chi0v", descriptors::calcChi0v}, {"Chi1v", descriptors::calcChi1v},
                                                        {"Chi2v", descriptors::calcChi2v}, {"Chi3v", descriptors::calcChi3v},
                                                        {"Chi4v", descriptors::calcChi4v}, {"Chi0n", descriptors::calcChi0n},
                                                        {"Chi1n", descriptors::calcChi1n}, {"Chi2n", descriptors::calcChi2n},
                                                        {"Chi3n", descriptors::calcChi3n}, {"Chi4n", descriptors::calcChi4n}};
  for (const auto& [name, index] : kIndices) table[name] = [compute = index](const ROMol& molecule) { return compute(molecule, false); };
}

using Surface = std::vector<double> (*)(const ROMol&, std::vector<double>*, bool);

void add_surface(Table& table, const std::string& family, std::size_t bins, Surface surface) {
  for (std::size_t bin = 0; bin < bins; ++bin) {
    table[family + std::to_string(bin + 1)] = [surface, bin](const ROMol& molecule) { return surface(molecule, nullptr, false).at(bin); };
  }
}

Table make_table() {
  silence_rdkit();
  Table table;
  for (const auto& name : descriptors::Properties::getAvailableProperties()) {
    table[name] = [property = descriptors::Properties::getProperty(name)](const ROMol& molecule) { return (*property)(molecule); };
  }
  for (const auto& [alias, name] : kAliases) table[alias] = table.at(name);
  add_connectivity(table);
  table["HeavyAtomMolWt"] = [](const ROMol& molecule) { return descriptors::calcAMW(molecule, /*onlyHeavy=*/true); };
  table["NumValenceElectrons"] = valence_electrons;
  table["NumRadicalElectrons"] = radical_electrons;
  table["NumAromaticCarbocycles"] = descriptors::calcNumAromaticCarbocycles;
  table["NumAliphaticCarbocycles"] = descriptors::calcNumAliphaticCarbocycles;
  table["NumSaturatedCarbocycles"] = descriptors::calcNumSaturatedCarbocycles;
  add_surface(table, "SlogP_VSA", 12, descriptors::calcSlogP_VSA);
  add_surface(table, "SMR_VSA", 10, descriptors::calcSMR_VSA);
  add_surface(table, "PEOE_VSA", 14, descriptors::calcPEOE_VSA);
  return table;
}

}  // namespace

struct Descriptor::Function {
  Compute compute;
};

Descriptor::Descriptor(const std::string& name, const std::string& who) {
  Table table = make_table();
  const auto found = table.find(name);
  if (found == table.end()) throw ConfigError(who + ": RDKit has no descriptor '" + name + "'" + did_you_mean(name, descriptor_names()));
  function_ = std::make_unique<Function>(Function{std::move(found->second)});
}

Descriptor::~Descriptor() = default;
Descriptor::Descriptor(Descriptor&&) noexcept = default;
Descriptor& Descriptor::operator=(Descriptor&&) noexcept = default;

double Descriptor::value(const std::string& smiles) const { return function_->compute(*molecule_of(smiles)); }

std::vector<std::string> descriptor_names() {
  std::vector<std::string> names;
  for (const auto& [name, compute] : make_table()) names.push_back(name);
  return names;
}

}  // namespace espalier::chem
