#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/sdk/domain.h"

// A domain and a network small enough to check by hand, for tests that need "some" domain.
namespace espalier::conformance {

// Images of 3 x 8 x 8 in [-1, 1] with a bright left (class 0) or right half (class 1) and a little noise. Splits "train" and "held_out";
// state "sample" [B, 3, 8, 8]; kind "image"; condition "label" [B] int64 (empty: 2); metadata {"label": 0 or 1, "class": "left" or
// "right"}; text "left 0", "right 1", ... Endless examples. Decoding maps [-1, 1] to [0, 1]. It offers no model folder.
std::unique_ptr<Domain> toy_domain();

// Another domain under a changed answer or two: passes everything on, but has no model folder of its own. For tests that derive from it.
class ForwardingDomain : public Domain {
 public:
  explicit ForwardingDomain(std::shared_ptr<Domain> domain = toy_domain()) : domain_(std::move(domain)) {}
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return domain_->sample_kind(); }
  StateSpec state_spec() const override { return domain_->state_spec(); }
  std::vector<std::string> splits() const override { return domain_->splits(); }
  Conditions conditions(const std::string& split) const override { return domain_->conditions(split); }
  std::unique_ptr<Examples> examples(const std::string& split) const override { return domain_->examples(split); }
  Value decoder() const override { return domain_->decoder(); }
  Sample decode(const State& state) const override { return domain_->decode(state); }
  std::vector<Image> draw(const Sample& sample) const override { return domain_->draw(sample); }
  std::filesystem::path model_folder() const override { return {}; }
  ModelInfo model_info(const std::filesystem::path& folder) const override { return domain_->model_info(folder); }
  Model load_model(const std::filesystem::path& folder) const override { return domain_->load_model(folder); }
  void save_model(const Model& model, const std::filesystem::path& folder) const override { domain_->save_model(model, folder); }

 private:
  std::shared_ptr<Domain> domain_;
};

// predict: scale x + bias[label] + slope t / 1000, elementwise, so that no sample's bits depend on its batch. Counts the rows it is asked
// for.
class ToyNetwork final : public Network {
 public:
  Value architecture() const override;
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override;
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  Weights initialize(std::uint64_t seed) const override;
  std::int64_t rows() const { return rows_; }

 private:
  mutable std::atomic<std::int64_t> rows_ = 0;
};

// With a process of 1000 training timesteps: "variance_preserving", predicting noise, or "rectified_flow".
Model toy_model(std::uint64_t seed = 1, const std::string& process = "variance_preserving");

}  // namespace espalier::conformance
