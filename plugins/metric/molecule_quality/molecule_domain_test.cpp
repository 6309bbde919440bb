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

// "token" [B, M], "vector" [B, M, 3] (angstrom), "present" [B, M], "frozen" [B, M, 2].
class MoleculeCodec final : public Codec {
 public:
  StateSpec spec() const override {
    return {{"token", {{kPlaces}, at::kLong}},
            {"vector", {{kPlaces, 3}, at::kFloat}},
            {"present", {{kPlaces}, at::kBool}},
            {"frozen", {{kPlaces, 2}, at::kBool}}};
  }
  Value key() const override { return Value("molecules 1"); }
  State encode(const Sample& sample, const CodecContext& = {}) const override {
    const auto &number = sample.tensors.at("atomic_number"), &position = sample.tensors.at("position");
    const auto rows = number.size(0), atoms = number.size(1);
    State state = {{"token", at::zeros({rows, kPlaces}, at::kLong)},
                   {"vector", at::zeros({rows, kPlaces, 3}, at::kFloat)},
                   {"present", at::zeros({rows, kPlaces}, at::kBool)},
                   {"frozen", at::zeros({rows, kPlaces, 2}, at::kBool)}};
    state["vector"].narrow(1, 0, atoms).copy_(position);
    state["present"].narrow(1, 0, atoms).copy_(number.gt(0));
    for (std::int64_t i = 0; i < rows * atoms; ++i) {
      const auto element = number.const_data_ptr<std::int64_t>()[i];
      if (element > 0) state["token"].mutable_data_ptr<std::int64_t>()[i / atoms * kPlaces + i % atoms] = chem::element_class(element);
    }
    return state;
  }
  Sample decode(const State& state, const CodecContext& = {}) const override { return chem::testing::molecule_sample(decode_atoms(state)); }
  std::vector<Image> draw(const Sample&) const override { return {}; }
};

class TrainingMolecules final : public Examples {
 public:
  explicit TrainingMolecules(std::vector<chem::Atoms> molecules) : molecules_(std::move(molecules)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(molecules_.size()); }
  Hex digest() const override { return sha256("training molecules"); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    std::vector<chem::Atoms> chosen;
    for (const auto position : positions) chosen.push_back(molecules_.at(position));
    return {chem::testing::molecule_sample(chosen), {{}, {}, std::vector<std::string>(chosen.size()), std::vector<Value>(chosen.size())}};
  }

 private:
  std::vector<chem::Atoms> molecules_;
};

class MoleculeData final : public Dataset {
 public:
  explicit MoleculeData(std::vector<chem::Atoms> training) : training_(std::move(training)) {}
  std::vector<std::string> splits() const override { return {"train"}; }
  Conditions conditions(const std::string&) const override { return {{}, {}, {""}, {Value()}}; }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    if (split != "train") throw ConfigError("no split '" + split + "'; known: train");
    return std::make_unique<TrainingMolecules>(training_);
  }

 private:
  std::vector<chem::Atoms> training_;
};

class MoleculeDomain final : public Domain {
 public:
  explicit MoleculeDomain(std::vector<chem::Atoms> training) : data_(std::move(training)) {}
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return "molecule"; }
  const Dataset& data() const override { return data_; }
  std::shared_ptr<const Codec> codec(const ModelInfo*) const override { return std::make_shared<MoleculeCodec>(); }

 private:
  MoleculeData data_;
};

}  // namespace

std::unique_ptr<Domain> molecule_domain(std::vector<chem::Atoms> training) { return std::make_unique<MoleculeDomain>(std::move(training)); }

View samples(const std::string& tag, const std::vector<chem::Atoms>& molecules) {
  return conformance::memory_view(tag, {{0, MoleculeCodec().encode(chem::testing::molecule_sample(molecules))}},
                                  std::make_shared<MoleculeCodec>());
}

}  // namespace espalier::molecule_quality::testing
