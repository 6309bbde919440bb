#include "plugins/domain/molecule/molecule_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "plugins/shared/chem/enumerate.h"
#include "plugins/shared/chem/graph.h"
#include "plugins/shared/chem/parallel.h"
#include "plugins/shared/chem_io/lines.h"
#include "plugins/shared/chem_io/readers.h"
#include "plugins/shared/folder/files.h"
#include "runtime/base/digest.h"
#include "runtime/base/errors.h"

namespace espalier::molecule {
namespace {

namespace fs = std::filesystem;

struct Listed {
  std::string smiles, name;
  std::string origin;  // for messages: "<file>: record 7"
  std::int64_t num_atoms = 0;
  chem::Atoms atoms = {};  // of files with positions
};

// Collects what is left out, by cause.
class LeftOut {
 public:
  explicit LeftOut(chem::OnError on_error) : on_error_(on_error) {}
  void note(const std::string& line) {
    if (!line.empty()) notes_.push_back(line);
  }
  void add_read(const chem::Skipped& skipped) { read_.add(skipped); }
  void too_large(const Listed& molecule, std::int64_t max_atoms) {
    const std::string name = molecule.smiles.empty() ? "'no valid molecule'" : chem::quote(molecule.smiles);
    const std::string reason = fmt::format("{}: {} atoms with its hydrogens, over max_atoms = {}", name, molecule.num_atoms, max_atoms);
    if (on_error_ == chem::OnError::fail) {
      throw DataError(molecule.origin + ": " + reason + "; raise it, lower max_heavy_atoms, or set on_error = \"skip\"");
    }
    large_.add(molecule.origin, reason);
  }
  void repeated(const Listed& molecule) { repeated_.add(molecule.origin, chem::quote(molecule.smiles) + " is there already"); }
  std::vector<std::string> lines() const {
    std::vector<std::string> all = notes_;
    for (const auto* skipped : {&read_, &large_, &repeated_}) {
      if (skipped->count > 0) all.push_back(skipped->summary());
    }
    return all;
  }

 private:
  chem::OnError on_error_;
  std::vector<std::string> notes_;
  chem::Skipped read_, large_, repeated_;
};

chem::ReadOptions read_options(const ListOptions& options) {
  // How many atoms there may be is looked at after max_heavy_atoms.
  return {.on_error = options.on_error,
          .max_atoms = std::numeric_limits<int>::max(),
          .connected = true,
          .max_heavy_atoms = static_cast<int>(std::min<std::int64_t>(options.max_heavy_atoms, std::numeric_limits<int>::max()))};
}

std::vector<Listed> read_list(const fs::path& file, const ListOptions& options, LeftOut& left_out) {
  auto list = chem::read_smiles(file, read_options(options));
  left_out.add_read(list.skipped);
  std::vector<Listed> molecules;
  for (auto& record : list.records) {
    molecules.push_back({record.smiles, record.smiles, fmt::format("{}: record {}", file.string(), record.record), record.atoms});
  }
  return molecules;
}

std::vector<Listed> read_geometries(const fs::path& file, const ListOptions& options, LeftOut& left_out) {
  auto read = options.source == "xyz" ? chem::read_xyz(file, read_options(options)) : chem::read_sdf(file, read_options(options));
  left_out.add_read(read.skipped);
  std::vector<Listed> molecules(read.atoms.size());
  chem::for_each_index(molecules.size(), 0, [&](std::size_t i) {
    const auto& numbers = read.atoms[i].atomic_number;
    std::string smiles = chem::read_graph(read.atoms[i]).smiles;
    std::string origin = fmt::format("{}: record {}", file.string(), read.record[i]);
    std::string name = smiles.empty() ? fmt::format("{}#{}", file.filename().string(), read.record[i]) : smiles;
    molecules[i] = {std::move(smiles), std::move(name), std::move(origin), static_cast<std::int64_t>(numbers.size()),
                    std::move(read.atoms[i])};
  });
  return molecules;
}

std::vector<Listed> enumerate(const ListOptions& options) {
  constexpr int kDefaultHeavyAtoms = 4;
  const auto heavy = options.max_heavy_atoms == 0 ? kDefaultHeavyAtoms : static_cast<int>(options.max_heavy_atoms);
  std::vector<Listed> molecules;
  for (auto& smiles : chem::enumerate_molecules(heavy)) {
    molecules.push_back({smiles, smiles, "enumerated", chem::parse_smiles(smiles).atoms});
  }
  return molecules;
}

bool has_ending(const fs::path& path, const std::string& source) {
  static const std::map<std::string, std::vector<std::string>> kEndings = {
      {"smiles", {".csv", ".smi", ".smiles"}}, {"xyz", {".xyz"}}, {"sdf", {".sdf", ".mol"}}};
  std::string name = folder::lower_case(path.filename().string());
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return std::ranges::any_of(kEndings.at(source), [&](const std::string& ending) { return name.ends_with(ending); });
}

std::vector<fs::path> files_of(const ListOptions& options, LeftOut& left_out) {
  if (!fs::is_directory(options.data)) return {options.data};
  const folder::FileList list = folder::list_files(options.data);
  left_out.note(list.note());
  std::vector<fs::path> files;
  for (const auto& file : list.files) {
    if (has_ending(file, options.source)) files.push_back(options.data / file);
  }
  if (files.empty()) {
    throw DataError(fmt::format("{}: holds no file for source = \"{}\", by its name's end; name the file itself{}", options.data.string(),
                                options.source, list.note().empty() ? "" : " (" + list.note() + ")"));
  }
  return files;
}

std::vector<Listed> read_all(const ListOptions& options, LeftOut& left_out) {
  if (options.source == "enumerated") return enumerate(options);
  std::vector<Listed> all;
  for (const auto& file : files_of(options, left_out)) {
    auto some = options.source == "smiles" ? read_list(file, options, left_out) : read_geometries(file, options, left_out);
    std::ranges::move(some, std::back_inserter(all));
  }
  return all;
}

// What the options let through, in order.
std::vector<Listed> choose(std::vector<Listed> all, const ListOptions& options, LeftOut& left_out) {
  std::vector<Listed> chosen;
  std::set<std::string> seen;
  for (auto& molecule : all) {
    if (molecule.num_atoms > options.max_atoms) {
      left_out.too_large(molecule, options.max_atoms);
    } else if (molecule.atoms.atomic_number.empty() && !seen.insert(molecule.smiles).second) {
      left_out.repeated(molecule);
    } else {
      chosen.push_back(std::move(molecule));
    }
  }
  const auto wanted = static_cast<std::size_t>(options.max_molecules);
  if (wanted == 0 || wanted >= chosen.size()) return chosen;
  std::vector<std::pair<Hex, std::size_t>> keyed;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    keyed.emplace_back(sha256(fmt::format("{}/subset/{}", options.seed, chosen[i].name)), i);
  }
  std::ranges::sort(keyed);
  keyed.resize(wanted);
  std::ranges::sort(keyed, {}, &std::pair<Hex, std::size_t>::second);
  std::vector<Listed> subset;
  for (const auto& [key, i] : keyed) subset.push_back(std::move(chosen[i]));
  return subset;
}

}  // namespace

MoleculeList list_molecules(const ListOptions& options) {
  LeftOut left_out(options.on_error);
  MoleculeList list;
  for (auto& molecule : choose(read_all(options, left_out), options, left_out)) {
    list.smiles.push_back(std::move(molecule.smiles));
    list.name.push_back(std::move(molecule.name));
    list.num_atoms.push_back(molecule.num_atoms);
    if (!molecule.atoms.atomic_number.empty()) list.atoms.push_back(std::move(molecule.atoms));
  }
  list.left_out = left_out.lines();
  if (list.size() == 0) {
    std::string causes;
    for (const auto& line : list.left_out) causes += "; " + line;
    throw DataError(
        fmt::format("domain.molecule: no molecule is left of source = \"{}\" {}{}", options.source, options.data.string(), causes));
  }
  return list;
}

}  // namespace espalier::molecule
