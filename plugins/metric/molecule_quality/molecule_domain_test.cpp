// The fake domain of this folder's tests.
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "plugins/metric/molecule_quality/molecule_domain.h"
#include "plugins/shared/chem/test_samples.h"
#include "runtime/base/errors.h"
#include "tests/conformance/memory_view.h"

namespace espalier::molecule_quality::testing {
namespace {

constexpr std::int64_t kPlaces = 29;

std::vector<chem::Atoms> decode_atoms(const State& state) {
  const auto &token = state.at("token"), &vector = state.at("vector"), &present = state.at("present");
  std::vector<chem::Atoms> molecules;
  for (std::int64_t b = 0; b < token.size(0); ++b) {
    chem::Atoms& atoms = molecules.emplace_back();
    for (std::int64_t m = 0; m < kPlaces; ++m) {
      if (!present[b][m].item<bool>()) continue;
      atoms.atomic_number.push_back(chem::kElements.at(static_cast<std::size_t>(token[b][m].item<std::int64_t>())));
      std::array<double, 3>& position = atoms.position.emplace_back();
      for (std::int64_t d = 0; d < 3; ++d) position[static_cast<std::size_t>(d)] = vector[b][m][d].item<double>();
    }
  }
  return molecules;
}

class TrainingMolecules final : public Examples {
 public:
  explicit TrainingMolecules(std::vector<chem::Atoms> molecules) : molecules_(std::move(molecules)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(molecules_.size()); }
  Hex digest() const override { return sha256("training molecules"); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    std::vector<chem::Atoms> chosen;
    for (const auto position : positions) chosen.push_back(molecules_.at(position));
    return {encode(chosen), {}, std::vector<Value>(chosen.size())};
  }

 private:
  std::vector<chem::Atoms> molecules_;
};

class MoleculeDomain final : public Domain {
 public:
  explicit MoleculeDomain(std::vector<chem::Atoms> training) : training_(std::move(training)) {}
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return "molecule"; }
  StateSpec state_spec() const override { return {}; }
  std::vector<std::string> splits() const override { return {"train"}; }
  Conditions conditions(const std::string&) const override { return {{}, {}, {""}, {Value()}}; }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    if (split != "train") throw ConfigError("no split '" + split + "'; known: train");
    return std::make_unique<TrainingMolecules>(training_);
  }
  Value decoder() const override { return Value("molecules 1"); }
  Sample decode(const State& state) const override { return chem::testing::molecule_sample(decode_atoms(state)); }
  std::vector<Image> draw(const Sample&) const override { return {}; }
  std::filesystem::path model_folder() const override { return {}; }
  ModelInfo model_info(const std::filesystem::path&) const override { refuse(); }
  Model load_model(const std::filesystem::path&) const override { refuse(); }
  void save_model(const Model&, const std::filesystem::path&) const override { refuse(); }

 private:
  [[noreturn]] static void refuse() { throw ConfigError("this domain has no model folder"); }
  std::vector<chem::Atoms> training_;
};

}  // namespace

State encode(const std::vector<chem::Atoms>& molecules) {
  const auto rows = static_cast<std::int64_t>(molecules.size());
  State state = {{"token", at::zeros({rows, kPlaces}, at::kLong)},
                 {"vector", at::zeros({rows, kPlaces, 3}, at::kFloat)},
                 {"present", at::zeros({rows, kPlaces}, at::kBool)},
                 {"frozen", at::zeros({rows, kPlaces, 2}, at::kBool)}};
  for (std::int64_t b = 0; b < rows; ++b) {
    const auto& atoms = molecules[static_cast<std::size_t>(b)];
    for (std::size_t a = 0; a < atoms.atomic_number.size(); ++a) {
      const auto place = static_cast<std::int64_t>(b * kPlaces) + static_cast<std::int64_t>(a);
      state["token"].data_ptr<std::int64_t>()[place] = chem::element_class(atoms.atomic_number[a]);
      state["present"].data_ptr<bool>()[place] = true;
      for (std::int64_t d = 0; d < 3; ++d) {
        state["vector"].data_ptr<float>()[3 * place + d] = static_cast<float>(atoms.position[a][static_cast<std::size_t>(d)]);
      }
    }
  }
  return state;
}

std::unique_ptr<Domain> molecule_domain(std::vector<chem::Atoms> training) { return std::make_unique<MoleculeDomain>(std::move(training)); }

View samples(const std::string& tag, const std::vector<chem::Atoms>& molecules) {
  return conformance::memory_view(tag, {{0, encode(molecules)}}, [](const State& state) { return MoleculeDomain({}).decode(state); });
}

}  // namespace espalier::molecule_quality::testing
