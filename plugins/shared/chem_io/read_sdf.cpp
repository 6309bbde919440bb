#include <GraphMol/FileParsers/FileParsers.h>
#include <GraphMol/MolOps.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>

#include "plugins/shared/chem/bonds.h"
#include "plugins/shared/chem/rdkit_molecule.h"
#include "plugins/shared/chem_io/lines.h"
#include "plugins/shared/chem_io/readers.h"
#include "plugins/shared/folder/files.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

// Null, with a reason, when RDKit cannot read the block.
std::unique_ptr<RDKit::RWMol> parse_block(const std::string& block, std::string& reason) {
  silence_rdkit();
  try {
    std::unique_ptr<RDKit::RWMol> mol(RDKit::MolBlockToMol(block, /*sanitize=*/false, /*removeHs=*/false));
    if (mol == nullptr) reason = "no molecule: RDKit cannot parse it";
    return mol;
  } catch (const std::exception& e) {
    reason = fmt::format("no molecule: {}", e.what());
    return nullptr;
  }
}

Atoms atoms_of(const RDKit::ROMol& mol) {
  Atoms atoms;
  for (const RDKit::Atom* atom : mol.atoms()) {
    const RDGeom::Point3D& p = mol.getConformer().getAtomPos(atom->getIdx());
    atoms.atomic_number.push_back(atom->getAtomicNum());
    atoms.position.push_back({p.x, p.y, p.z});
  }
  return atoms;
}

int count_implied_hydrogens(RDKit::RWMol& mol) {
  int implied = 0;
  mol.updatePropertyCache(/*strict=*/false);
  for (const RDKit::Atom* atom : mol.atoms()) implied += static_cast<int>(atom->getTotalNumHs());
  return implied;
}

int count_pieces(const RDKit::RWMol& mol, const Atoms& atoms) {
  if (mol.getNumBonds() == 0) return count_fragments(static_cast<int>(mol.getNumAtoms()), find_bonds(atoms));
  std::vector<int> mapping;
  return static_cast<int>(RDKit::MolOps::getMolFrags(mol, mapping));
}

int total_charge(const RDKit::ROMol& mol) {
  int charge = 0;
  for (const RDKit::Atom* atom : mol.atoms()) charge += atom->getFormalCharge();
  return charge;
}

// What speaks against the molecule, in words; "" when nothing does, then `atoms` and `charge` are set.
std::string read_block(const std::string& block, const ReadOptions& options, Atoms& atoms, int& charge) {
  std::string reason;
  const auto mol = parse_block(block, reason);
  if (mol == nullptr) return reason;
  if (mol->getNumAtoms() == 0) return "no atoms";
  if (mol->getNumAtoms() > static_cast<unsigned>(options.max_atoms)) {
    return fmt::format("{} atoms, over the {} there may be", mol->getNumAtoms(), options.max_atoms);
  }
  if (mol->getNumConformers() == 0) return "no coordinates";
  atoms = atoms_of(*mol);
  charge = total_charge(*mol);
  if (std::string defect = find_defect(atoms); !defect.empty()) return defect;
  if (mol->getNumAtoms() > 1 && !mol->getConformer().is3D()) {
    return "two-dimensional coordinates: the header does not say 3D, and every z is 0";
  }
  const int implied = count_implied_hydrogens(*mol);
  const bool hydrogens = std::find(atoms.atomic_number.begin(), atoms.atomic_number.end(), 1) != atoms.atomic_number.end();
  if (implied > 0 && !hydrogens) return fmt::format("{} hydrogens are only implied; give them positions", implied);
  const int pieces = options.connected ? count_pieces(*mol, atoms) : 1;
  return pieces == 1 ? "" : fmt::format("in {} pieces", pieces);
}

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\n") == std::string::npos; }

}  // namespace

Molecules read_sdf(const std::filesystem::path& path, const ReadOptions& options) {
  Molecules result;
  Lines lines(path);
  Defects defects(path, options.on_error);
  std::string block, line;
  std::int64_t record = 0, first_line = 1;
  const auto finish = [&] {
    Atoms atoms;
    std::string reason;
    int charge = 0;
    ++record;
    try {
      reason = read_block(block, options, atoms, charge);
    } catch (const std::exception& e) {  // RDKit, after parsing
      reason = e.what();
    }
    if (!reason.empty()) return defects.add(record, first_line, reason);
    if (options.leaves_out(atoms)) return;
    if (charge != 0) return defects.exclude(record, first_line, ion_reason(charge));
    result.atoms.push_back(std::move(atoms));
    result.record.push_back(record);
  };
  while (lines.next(line)) {
    if (!line.starts_with("$$$$")) {
      block += line + "\n";
      continue;
    }
    finish();
    block.clear();
    first_line = lines.number() + 1;
  }
  if (!is_blank(block)) finish();
  result.skipped = defects.skipped();
  return result;
}

Molecules read_molecules(const std::filesystem::path& path, const ReadOptions& options) {
  const auto ends = [name = folder::lower_case(path.filename().string())](const std::string& end) {
    return name.ends_with(end) || name.ends_with(end + ".gz");
  };
  if (ends(".xyz")) return read_xyz(path, options);
  if (ends(".sdf") || ends(".mol")) return read_sdf(path, options);
  throw DataError(path.string() + ": the name should end in .xyz, .sdf or .mol, each also with .gz");
}

}  // namespace espalier::chem
