#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/network/registry.h"
#include "runtime/sdk/encoding.h"

// A domain and a network that are small enough to check by hand, for tests that need any domain.
namespace espalier::conformance {

// Images of 3 x 8 x 8 in [-1, 1] with a bright left (class 0) or right half (class 1) and a little noise. Splits "train" and "held_out";
// state "sample" [B, 3, 8, 8]; kind "image"; condition "label" [B] int64 (null: 2); metadata {"label": 0 or 1, "class": "left" or
// "right"}; text "left 0", "right 1", ... Endless examples. Decoding maps [-1, 1] to [0, 1].
std::unique_ptr<Domain> toy_domain();

// Forward all calls to another codec or domain. Tests derive from them and override a few functions.
class ForwardingCodec : public Codec {
 public:
  explicit ForwardingCodec(std::shared_ptr<const Codec> codec) : codec_(std::move(codec)) {}
  StateSpec spec() const override { return codec_->spec(); }
  Value key() const override { return codec_->key(); }
  std::vector<std::string> components() const override { return codec_->components(); }
  State encode(const Sample& sample, const CodecContext& context) const override { return codec_->encode(sample, context); }
  Sample decode(const State& state, const CodecContext& context) const override { return codec_->decode(state, context); }
  std::vector<Image> draw(const Sample& sample) const override { return codec_->draw(sample); }
  std::map<std::string, std::string> records(const Sample& sample) const override { return codec_->records(sample); }
  bool has_canonical_keys() const override { return codec_->has_canonical_keys(); }
  std::vector<std::string> canonical_keys(const Sample& sample) const override { return codec_->canonical_keys(sample); }

 private:
  std::shared_ptr<const Codec> codec_;
};

class ForwardingDomain : public Domain, public Dataset {
 public:
  explicit ForwardingDomain(std::shared_ptr<Domain> domain = toy_domain()) : domain_(std::move(domain)) {}
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return domain_->sample_kind(); }
  const Dataset& data() const override { return *this; }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override { return domain_->codec(model); }
  std::vector<std::string> splits() const override { return domain_->data().splits(); }
  Conditions conditions(const std::string& split) const override { return domain_->data().conditions(split); }
  std::unique_ptr<Examples> examples(const std::string& split) const override { return domain_->data().examples(split); }

 private:
  std::shared_ptr<Domain> domain_;
};

// Returns the domain's examples of a split as states of the model.
std::shared_ptr<const EncodedExamples> encoded(const Domain& domain, const std::string& split, const Model& model);

// Predicts scale x + bias[label] + slope t / 1000, elementwise, so that a sample's bits do not depend on its batch. Counts the rows that it
// predicts.
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

// Returns the registry's entry for ToyNetwork, as component "unet", so that toy models can be saved to folders and opened again.
network::NetworkEntry toy_network();

// Returns a model with a process of 1000 training timesteps: "variance_preserving", which predicts noise, or "rectified_flow".
Model toy_model(std::uint64_t seed = 1, const std::string& process = "variance_preserving");

}  // namespace espalier::conformance
