// Stability, validity, connectedness, uniqueness, novelty and diversity of sampled molecules, and of the examples they are to resemble.
#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "plugins/metric/molecule_quality/quality.h"
#include "plugins/shared/chem/parallel.h"
#include "plugins/shared/chem_scores/molecule_reward.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"
#include "runtime/selection/intervals.h"

namespace {

using namespace espalier;
using molecule_quality::Counts;
using molecule_quality::Known;
using molecule_quality::Molecule;

constexpr const char* kWho = "metric.molecule_quality";
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kBlock = 256;

std::vector<Molecule> judge(const Sample& sample, std::size_t count) {
  const auto& smiles = chem::smiles_of(sample, count, kWho);
  const auto stabilities = chem::stabilities_of(sample, count, kWho);
  std::vector<Molecule> molecules;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& stability = stabilities[i].stability;
    molecules.push_back({smiles[i], stability.atoms, stability.stable_atoms, stability.molecule_stable, stability.fragments == 1});
  }
  return molecules;
}

// `decoded(first, count)` gives these samples; it is called on all cores.
std::vector<Molecule> judge_all(std::int64_t size, const std::function<Sample(std::int64_t first, std::int64_t count)>& decoded) {
  std::vector<Molecule> molecules(static_cast<std::size_t>(size));
  chem::for_each_index(static_cast<std::size_t>((size + kBlock - 1) / kBlock), /*threads=*/0, [&](std::size_t block) {
    const auto first = static_cast<std::int64_t>(block) * kBlock;
    const auto count = std::min(kBlock, size - first);
    auto judged = judge(decoded(first, count), static_cast<std::size_t>(count));
    std::move(judged.begin(), judged.end(), molecules.begin() + first);
  });
  return molecules;
}

double ratio(std::int64_t part, std::int64_t whole) { return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole); }

Scalar atom_stability(const std::string& name, const std::vector<Molecule>& molecules, const Counts& counts) {
  std::vector<double> stable, atoms;
  for (const auto& molecule : molecules) {
    stable.push_back(molecule.stable_atoms);
    atoms.push_back(molecule.atoms);
  }
  const auto [low, high] = intervals::wilson_of_clusters(stable, atoms);
  const double value = ratio(counts.stable_atoms, counts.atoms);
  return {name, value, std::min(low, value), std::max(high, value)};
}

class MoleculeQuality final : public Metric {
 public:
  void options(Schema& schema) override {
    schema.text("split", split_, "The split of the domain's examples that novelty is judged against.");
    schema.integer("count", count_, "Examples, drawn without replacement; 0: all of the split.").at_least(0).at_most(1e9);
    schema
        .integer("diversity_count", diversity_count_, "Diversity is of the first so many valid molecules: its cost grows with the square.")
        .at_least(2)
        .at_most(1e6);
  }

  void inputs(Inputs& in) override { in.trajectories("samples", "The molecules to judge.").of("molecule").many(); }

  Value identity(const Domain& domain) const override { return Value::Map{{"examples", domain.examples(split_)->digest()}}; }

  void check_inputs(const PlannedInputs& inputs) const override { num_examples(*inputs.domain.examples(split_)); }

  Findings measure(const MetricInput& input) const override {
    const auto data = examples(*input.domain, input.key);
    const Known known = molecule_quality::known_of(data);
    Findings findings;
    for (const auto& samples : input.samples) {
      const auto molecules =
          judge_all(samples.size(), [&](std::int64_t first, std::int64_t count) { return samples.decoded(View::range(first, count)); });
      const std::string suffix = input.samples.size() == 1 ? "" : "." + samples.tag();
      add(findings, "", suffix, molecules, &known);
    }
    add(findings, "data_", "", data, nullptr);
    return findings;
  }

 private:
  std::int64_t num_examples(const Examples& examples) const {
    const auto size = examples.distinct();  // 0: without end
    if (size == 0 && count_ == 0)
      throw ConfigError(fmt::format("{}: the split '{}' is generated without end; say how many by the option count", kWho, split_));
    if (size > 0 && count_ > size)
      throw ConfigError(fmt::format("{}: count = {}, but the split '{}' has {} molecules", kWho, count_, split_, size));
    return count_ == 0 ? size : count_;
  }

  // Of the examples, each once, in a drawn order, so that the first of them are a fair sample of a split that is sorted.
  std::vector<Molecule> examples(const Domain& domain, const random::StreamKey& key) const {
    const auto examples = domain.examples(split_);
    const auto size = examples->distinct();  // 0: without end
    return judge_all(num_examples(*examples), [&](std::int64_t first, std::int64_t count) {
      std::vector<std::uint64_t> positions;
      for (auto i = static_cast<std::uint64_t>(first); i < static_cast<std::uint64_t>(first + count); ++i) {
        positions.push_back(size == 0 ? i : random::shuffled_index(key, /*epoch=*/0, static_cast<std::uint64_t>(size), i));
      }
      return domain.decode(examples->at(positions).state);
    });
  }

  // known: what novelty is judged against; null for the examples themselves.
  void add(Findings& findings, const std::string& prefix, const std::string& suffix, const std::vector<Molecule>& molecules,
           const Known* known) const {
    const auto name = [&](const char* scalar) { return prefix + scalar + suffix; };
    const auto counts = molecule_quality::count(molecules, known ? *known : Known());
    auto& scalars = findings.scalars;
    scalars.push_back(atom_stability(name("atom_stability"), molecules, counts));
    scalars.push_back(to_scalar(name("molecule_stability"), intervals::share(counts.stable_molecules, counts.molecules)));
    scalars.push_back(to_scalar(name("validity"), intervals::share(counts.valid, counts.molecules)));
    scalars.push_back(to_scalar(name("connected"), intervals::share(counts.connected, counts.molecules)));
    scalars.push_back(to_scalar(name("connected_and_valid"), intervals::share(counts.connected_and_valid, counts.molecules)));
    scalars.push_back({name("uniqueness"), ratio(counts.distinct, counts.valid), kNone, kNone});
    scalars.push_back({name("valid_and_unique"), ratio(counts.distinct, counts.molecules), kNone, kNone});
    if (known) scalars.push_back(to_scalar(name("novelty"), intervals::share(counts.novel, counts.distinct)));
    scalars.push_back({name("diversity"), molecule_quality::diversity(molecules, diversity_count_), kNone, kNone});
  }

  std::string split_ = "train";
  std::int64_t count_ = 0;
  std::int64_t diversity_count_ = 10000;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<MoleculeQuality>("molecule_quality", /*numerics_version=*/2,
                                 "Stability, validity (EDM's, of molecules in pieces too), connectedness, uniqueness, novelty and "
                                 "diversity of molecules and of the examples.");
}
