// Stability, validity, connectedness, uniqueness, novelty and diversity of sampled molecules, and of the examples they are to resemble.
#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "plugins/metric/molecule_quality/quality.h"
#include "plugins/shared/chem/parallel.h"
#include "plugins/shared/chem_scores/molecule_reward.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/encoding.h"
#include "runtime/sdk/plugin.h"
#include "runtime/sdk/real_examples.h"
#include "runtime/selection/intervals.h"

namespace {

using namespace espalier;
using molecule_quality::Known;
using molecule_quality::Molecule;

constexpr const char* kWho = "metric.molecule_quality";
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

intervals::Estimate atom_stability(const std::vector<Molecule>& molecules) {
  std::vector<double> stable, atoms;
  for (const auto& molecule : molecules) {
    stable.push_back(molecule.stable_atoms);
    atoms.push_back(molecule.atoms);
  }
  return intervals::share_of_clusters(stable, atoms);
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

  Value identity(const Domain& domain) const override { return Value::Map{{"examples", domain.data().examples(split_)->digest()}}; }

  void check_inputs(const PlannedInputs& inputs) const override { real_examples().size(*inputs.domain.data().examples(split_)); }

  Findings measure(const MetricInput& input) const override {
    const auto data = examples(*input.domain, input.key);
    const Known known = molecule_quality::known_of(data);
    Findings findings;
    for (const auto& samples : input.samples) {
      const auto molecules =
          judge_all(samples.size(), [&](std::int64_t first, std::int64_t count) { return samples.decoded(View::range(first, count)); });
      add(findings, {.stage = samples.tag()}, molecules, &known);
    }
    add(findings, {.split = split_}, data, nullptr);
    return findings;
  }

 private:
  RealExamples real_examples() const { return {kWho, split_, count_, "molecules"}; }

  // Of the examples, each once.
  std::vector<Molecule> examples(const Domain& domain, const random::StreamKey& key) const {
    const auto examples = domain.data().examples(split_);
    const auto positions = real_examples().positions(*examples, key);
    return judge_all(std::ssize(positions), [&](std::int64_t first, std::int64_t count) {
      const auto begin = positions.begin() + first;
      return samples_of(domain, examples->at({begin, begin + count}));
    });
  }

  // known: what novelty is judged against; null for the examples themselves.
  void add(Findings& findings, const Subject& about, const std::vector<Molecule>& molecules, const Known* known) const {
    const auto counts = molecule_quality::count(molecules, known ? *known : Known());
    const auto add = [&](const char* name, const auto& value) { findings.scalars.push_back(to_scalar(name, value, about)); };
    add("atom_stability", atom_stability(molecules));
    add("molecule_stability", intervals::share(counts.stable_molecules, counts.molecules));
    add("validity", intervals::share(counts.valid, counts.molecules));
    add("connected", intervals::share(counts.connected, counts.molecules));
    add("connected_and_valid", intervals::share(counts.connected_and_valid, counts.molecules));
    add("uniqueness", ratio(counts.distinct, counts.valid));
    add("valid_and_unique", ratio(counts.distinct, counts.molecules));
    if (known) add("novelty", intervals::share(counts.novel, counts.distinct));
    add("diversity", molecule_quality::diversity(molecules, diversity_count_));
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
