// Molecules of H, C, N, O and F with positions: enumerated, or read from SMILES, XYZ or SDF files.
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "plugins/domain/molecule/codec.h"
#include "plugins/domain/molecule/conformer_cache.h"
#include "plugins/domain/molecule/examples.h"
#include "plugins/shared/folder/data.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

namespace fs = std::filesystem;
using namespace espalier;
using namespace espalier::molecule;

constexpr const char* kPlugin = "domain.molecule";

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
  }

  void open(const DomainContext&) override {
    check_options();
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
    auto places = folder::split_places(list.name, held_out_, kPlugin);
    const bool makes_conformers = list.atoms.empty();
    auto folder = !conformer_cache_.empty() || !makes_conformers ? fs::path(conformer_cache_) : default_conformer_folder();
    auto geometries = std::make_shared<const Geometries>(std::move(list), std::move(folder));
    molecules_ = std::make_unique<const MoleculeData>(std::move(geometries), std::move(places), encoding_, num_conditions_);
  }

  std::string sample_kind() const override { return "molecule"; }
  const Dataset& data() const override { return *molecules_; }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override {
    return std::make_shared<const MoleculeCodec>(encoding_.max_atoms, encoding_.position_scale, model);
  }

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

  std::string source_ = "enumerated";
  std::string data_;
  std::int64_t max_heavy_atoms_ = 0;
  std::string on_error_ = "fail";
  std::int64_t max_molecules_ = 0;
  folder::HeldOut held_out_;
  Encoding encoding_{.rotations = 1000};
  std::int64_t num_conditions_ = 256;
  std::string conformer_cache_;

  std::unique_ptr<const MoleculeData> molecules_;
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.domain<MoleculeDomain>("molecule", /*numerics_version=*/1,
                                   "Molecules of H, C, N, O and F with positions: enumerated, or from SMILES, XYZ or SDF files.");
}
