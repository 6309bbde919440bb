// Molecules of H, C, N, O and F with positions: enumerated, or read from SMILES, XYZ or SDF files.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>

#include "plugins/domain/molecule/conformer_cache.h"
#include "plugins/domain/molecule/examples.h"
#include "plugins/shared/chem/graph.h"
#include "plugins/shared/chem/version.h"
#include "plugins/shared/chem_io/drawing.h"
#include "plugins/shared/chem_io/writers.h"
#include "plugins/shared/elements/set_domain.h"
#include "plugins/shared/folder/data.h"
#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/sdk/plugin.h"

namespace {

namespace fs = std::filesystem;
using namespace espalier;
using namespace espalier::molecule;

constexpr const char* kPlugin = "domain.molecule";
constexpr std::int64_t kClasses = static_cast<std::int64_t>(chem::kElements.size());
constexpr std::int64_t kDimensions = 3;
constexpr std::uint64_t kConditionSeed = 0;  // how many atoms condition i has is the same in every run

std::string atoms_in_words(std::int64_t count) { return count == 1 ? "1 atom" : fmt::format("{} atoms", count); }

std::vector<chem::Atoms> molecules_of(const Sample& sample) {
  const auto numbers = sample.tensors.at("atomic_number").to(at::kCPU).contiguous();  // [B, M]
  const auto positions = sample.tensors.at("position").to(at::kCPU).contiguous();     // [B, M, 3]
  const auto atoms = static_cast<std::size_t>(numbers.size(1));
  std::vector<chem::Atoms> molecules;
  for (std::size_t b = 0; b < static_cast<std::size_t>(numbers.size(0)); ++b) {
    molecules.push_back(chem::present_atoms({numbers.const_data_ptr<std::int64_t>() + b * atoms, atoms},
                                            {positions.const_data_ptr<float>() + b * kDimensions * atoms, kDimensions * atoms}));
  }
  return molecules;
}

class MoleculeDomain final : public elements::SetDomain {
 public:
  void options(Schema& schema) override {
    schema.choice("source", source_, {"enumerated", "smiles", "xyz", "sdf"},
                  "Where molecules come from: all small ones, enumerated; a list of SMILES; or files with positions.");
    schema.path("data", data_, "A file, a folder of them, or what ESPALIER_DATA holds by that name.").operational();
    schema.integer("max_heavy_atoms", max_heavy_atoms_, "Leave out molecules with more atoms other than hydrogen; 0: none (enumerated: 4).")
        .at_least(0)
        .at_most(1e6);
    schema.integer("max_atoms", encoding_.max_atoms, "The most atoms of a molecule, hydrogens counted: the M of the model. Of QM9 29.")
        .at_least(1)
        .at_most(4096);
    schema.choice("on_error", on_error_, {"fail", "skip"},
                  "Records that are wrong or too large: stop, or leave them out and say how many.");
    schema.integer("max_molecules", max_molecules_, "Take so many, drawn by split_seed; 0: all.").at_least(0).at_most(1e9);
    schema.number("held_out_fraction", held_out_.fraction, "Share of the molecules kept out of training.").at_least(0).below(1);
    schema.integer("split_seed", held_out_.seed, "Another number holds out other molecules, and takes others by max_molecules.")
        .at_least(0);
    schema.integer("rotations", encoding_.rotations, "Follow the training molecules by so many turned copies of each.")
        .at_least(0)
        .at_most(1e6);
    schema.number("position_scale", encoding_.position_scale, "Angstrom that one unit of a state's vectors is.").above(0);
    schema.integer("num_conditions", num_conditions_, "Conditions of a split: numbers of atoms, spread like the training molecules'.")
        .at_least(1)
        .at_most(1e6);
    schema.path("conformer_cache", conformer_cache_, "Folder of the positions made for SMILES; empty: ESPALIER_HOME/conformers.")
        .operational();
    model_options(schema);
  }

  void open(const DomainContext& context) override {
    check_options();
    open_model(context, kPlugin);
    ListOptions options{source_,
                        {},
                        max_heavy_atoms_,
                        encoding_.max_atoms,
                        max_molecules_,
                        held_out_.seed,
                        on_error_ == "skip" ? chem::OnError::skip : chem::OnError::fail};
    if (source_ != "enumerated") options.data = folder::find_data(data_, kPlugin, folder::DataKind::either);
    auto list = list_molecules(options);
    for (const auto& line : list.left_out) note(kPlugin, line);
    for (const std::string split : {"train", "held_out"}) {
      if (split == "train" || held_out_.fraction > 0.0) places_[split] = folder::places_of(split, list.name, held_out_, kPlugin);
    }
    const bool makes_conformers = list.atoms.empty();
    auto folder = !conformer_cache_.empty() || !makes_conformers ? fs::path(conformer_cache_) : default_conformer_folder();
    geometries_ = std::make_shared<const Geometries>(std::move(list), std::move(folder));
  }

  std::string sample_kind() const override { return "molecule"; }
  std::vector<std::string> splits() const override {
    std::vector<std::string> names = {"train"};
    if (places_.contains("held_out")) names.emplace_back("held_out");
    return names;
  }

  // How many atoms there are; nothing is given.
  Conditions conditions(const std::string& split) const override {
    const std::uint64_t round = places(split) == places("train") ? 0 : 1;
    std::vector<std::int64_t> sizes;
    for (const auto place : places("train")) sizes.push_back(geometries_->list().num_atoms[static_cast<std::size_t>(place)]);
    std::vector<elements::ElementSet> sets;
    std::vector<std::string> text;
    std::vector<Value> metadata;
    for (const auto size : elements::spread_sizes(sizes, num_conditions_, kConditionSeed + round)) {
      const auto atoms = static_cast<std::size_t>(size);
      sets.push_back({std::vector<std::int64_t>(atoms), std::vector<float>(kDimensions * atoms)});
      text.push_back(atoms_in_words(size));
      metadata.push_back(Value::Map{{"num_atoms", size}});
    }
    return elements::conditions(sets, std::move(text), std::move(metadata), encoding_.max_atoms, kDimensions);
  }

  std::unique_ptr<Examples> examples(const std::string& split) const override {
    Encoding encoding = encoding_;
    if (split != "train") encoding.rotations = 0;
    return make_examples(geometries_, places(split), encoding);
  }

  Value decoder() const override {
    Value::List elements(chem::kElements.begin(), chem::kElements.end());
    return Value::Map{{"type", "molecule"},
                      {"elements", Value(std::move(elements))},
                      {"position_scale", encoding_.position_scale},
                      {"bonds", "EDM"},
                      {"smiles", "RDKit " + chem::rdkit_version()}};
  }

  Sample decode(const State& state) const override {
    const auto& present = state.at("present");
    const auto numbers =
        at::tensor(std::vector<std::int64_t>(chem::kElements.begin(), chem::kElements.end()), present.options().dtype(at::kLong));
    const auto token = state.at("token").clamp(0, kClasses - 1);
    Sample sample{"molecule", {}, {}};
    sample.tensors["atomic_number"] = at::where(present, numbers.index_select(0, token.flatten()).view_as(token), 0);
    const auto position = state.at("vector").to(at::kFloat).mul(encoding_.position_scale);
    sample.tensors["position"] = at::where(present.unsqueeze(-1), position, at::zeros_like(position));
    auto& smiles = sample.strings["smiles"];
    for (const auto& atoms : molecules_of(sample)) smiles.push_back(chem::read_graph(atoms).smiles);
    return sample;
  }

  std::vector<Image> draw(const Sample& sample) const override {
    std::vector<Image> images;
    for (const auto& atoms : molecules_of(sample)) images.push_back(chem::draw_molecule(atoms));
    return images;
  }
  // The SMILES are those of the valid ones; atoms that are nowhere (NaN) are in no file, and those too far for SDF's columns in XYZ alone.
  std::map<std::string, std::string> records(const Sample& sample) const override {
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
  bool has_canonical_keys() const override { return true; }
  std::vector<std::string> canonical_keys(const Sample& sample) const override { return sample.strings.at("smiles"); }

 protected:
  Shape shape() const override { return {encoding_.max_atoms, kClasses, kDimensions}; }

 private:
  // An option that the chosen source does not read was meant for another one.
  void check_options() const {
    constexpr std::int64_t kMostEnumerated = 6;
    if (source_ == "enumerated") {
      if (!data_.empty())
        throw ConfigError(
            fmt::format("{}: option 'data' is for source = \"smiles\", \"xyz\" or \"sdf\"; here source = \"enumerated\"", kPlugin));
      if (max_heavy_atoms_ > kMostEnumerated) {
        throw ConfigError(fmt::format("{}: max_heavy_atoms = {}: source = \"enumerated\" goes up to {}; list larger molecules in a file",
                                      kPlugin, max_heavy_atoms_, kMostEnumerated));
      }
    } else if (data_.empty()) {
      throw ConfigError(fmt::format("{}: source = \"{}\" needs the option 'data', a file or a folder", kPlugin, source_));
    }
    const bool has_positions = source_ == "xyz" || source_ == "sdf";
    if (has_positions && !conformer_cache_.empty()) {
      throw ConfigError(fmt::format(
          "{}: option 'conformer_cache' is for source = \"enumerated\" or \"smiles\"; the files of source = \"{}\" have positions", kPlugin,
          source_));
    }
    if (held_out_.fraction == 0.0 && max_molecules_ == 0 && held_out_.seed != 0) {
      throw ConfigError(fmt::format("{}: option 'split_seed' is for held_out_fraction or max_molecules above 0", kPlugin));
    }
  }

  const std::vector<std::int64_t>& places(const std::string& split) const {
    const auto found = places_.find(split);
    if (found == places_.end()) throw ConfigError(fmt::format("{}: no split '{}'{}", kPlugin, split, did_you_mean(split, splits())));
    return found->second;
  }

  std::string source_ = "enumerated";
  std::string data_;
  std::int64_t max_heavy_atoms_ = 0;
  std::string on_error_ = "fail";
  std::int64_t max_molecules_ = 0;
  folder::HeldOut held_out_;
  Encoding encoding_{.rotations = 1000};
  std::int64_t num_conditions_ = 256;
  std::string conformer_cache_;

  std::map<std::string, std::vector<std::int64_t>> places_;
  std::shared_ptr<const Geometries> geometries_;
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.domain<MoleculeDomain>("molecule", /*numerics_version=*/1,
                                   "Molecules of H, C, N, O and F with positions: enumerated, or from SMILES, XYZ or SDF files.");
}
