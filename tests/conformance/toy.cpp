#include "tests/conformance/toy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include "runtime/base/errors.h"

namespace espalier::conformance {
namespace {

constexpr std::int64_t kSide = 8;
const std::vector<std::int64_t> kShape{3, kSide, kSide};

Value metadata_of(std::int64_t label) { return Value(Value::Map{{"label", label}, {"class", label == 0 ? "left" : "right"}}); }

class ToyExamples final : public Examples {
 public:
  explicit ToyExamples(const std::string& split) : round_(split == "train" ? 0 : 1), digest_(sha256("toy examples 1 " + split)) {}
  std::int64_t size() const override { return 0; }
  Hex digest() const override { return digest_; }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    random::Draws draws({.seed = 11, .purpose = random::Purpose::data, .round = round_, .branch = 0}, positions);
    const auto noise = draws.normals(kShape);  // [B, 3, 8, 8]
    const auto image = at::full(noise.sizes(), -0.5, noise.options());
    std::vector<std::int64_t> labels;
    Conditions conditions;
    for (std::size_t row = 0; row < positions.size(); ++row) {
      labels.push_back(static_cast<std::int64_t>(positions[row] % 2));
      image[static_cast<std::int64_t>(row)].narrow(2, labels.back() * kSide / 2, kSide / 2).fill_(0.5);
      conditions.metadata.push_back(metadata_of(labels.back()));
    }
    conditions.text.resize(positions.size());
    conditions.tensors["label"] = at::tensor(labels, at::kLong);
    return {{"image", {{"image", ((image + 0.1 * noise).clamp(-1.0, 1.0) + 1.0) * 0.5}}, {}}, std::move(conditions)};
  }

 private:
  std::uint32_t round_;
  Hex digest_;
};

class ToyCodec final : public Codec {
 public:
  StateSpec spec() const override { return {{"sample", {kShape, at::kFloat}}}; }
  Value key() const override { return Value("toy 1"); }
  State encode(const Sample& sample, const CodecContext& context) const override {
    return {{"sample", (sample.tensors.at("image") * 2.0 - 1.0).to(context.device)}};
  }
  Sample decode(const State& state, const CodecContext&) const override {
    return {"image", {{"image", (state.at("sample") + 1.0) * 0.5}}, {}};
  }
  std::vector<Image> draw(const Sample& sample) const override {
    const auto bytes = (sample.tensors.at("image").clamp(0.0, 1.0) * 255.0).round().to(at::kByte).permute({0, 2, 3, 1}).contiguous();
    std::vector<Image> images;
    for (std::int64_t row = 0; row < bytes.size(0); ++row) {
      const auto* first = bytes.const_data_ptr<std::uint8_t>() + row * 3 * kSide * kSide;
      images.push_back({kSide, kSide, {first, first + 3 * kSide * kSide}});
    }
    return images;
  }
};

class ToyDomain final : public Domain, public Dataset {
 public:
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return "image"; }
  const Dataset& data() const override { return *this; }
  std::shared_ptr<const Codec> codec(const ModelInfo*) const override { return std::make_shared<ToyCodec>(); }
  std::vector<std::string> splits() const override { return {"train", "held_out"}; }

  Conditions conditions(const std::string& split) const override {
    check(split);
    const std::int64_t first = split == "train" ? 0 : 8;
    Conditions conditions;
    std::vector<std::int64_t> labels;
    for (std::int64_t i = first; i < first + 8; ++i) {
      labels.push_back(i % 2);
      conditions.text.push_back((i % 2 == 0 ? "left " : "right ") + std::to_string(i));
      conditions.metadata.push_back(metadata_of(i % 2));
    }
    conditions.tensors["label"] = at::tensor(labels, at::kLong);
    conditions.null_tensors["label"] = at::full({1}, 2, at::kLong);
    return conditions;
  }

  std::unique_ptr<Examples> examples(const std::string& split) const override {
    check(split);
    return std::make_unique<ToyExamples>(split);
  }

 private:
  static void check(const std::string& split) {
    if (split != "train" && split != "held_out") throw ConfigError("no split '" + split + "'; known: train, held_out");
  }
};

}  // namespace

std::unique_ptr<Domain> toy_domain() { return std::make_unique<ToyDomain>(); }

std::shared_ptr<const EncodedExamples> encoded(const Domain& domain, const std::string& split, const Model& model) {
  return encode_examples(domain.data().examples(split), domain.codec(&model.info), model, 7);
}

network::NetworkEntry toy_network() {
  return {"ToyNetwork",
          "unet",
          {},
          [](const network::ComponentConfigs&, const network::NetworkSettings&) { return std::make_shared<ToyNetwork>(); },
          ""};
}

Value ToyNetwork::architecture() const { return Value::Map{{"unet", Value::Map{{"_class_name", "ToyNetwork"}}}}; }

TensorMap ToyNetwork::embed(const Weights& weights, const TensorMap& condition) const {
  return {{"bias", at::index_select(weights.at("unet.bias"), 0, condition.at("label"))}};  // [B]
}

State ToyNetwork::predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const {
  const auto& x = noisy.at("sample");
  rows_ += x.size(0);
  const auto shift = embedded.at("bias") + weights.at("unet.slope") * (timestep * 0.001);  // [B]
  return {{"sample", weights.at("unet.scale") * x + shift.view({-1, 1, 1, 1})}};
}

Weights ToyNetwork::initialize(std::uint64_t seed) const {
  random::Draws draws({.seed = seed, .purpose = random::Purpose::initialization, .round = 0, .branch = 0}, {0});
  const auto values = draws.normals({5})[0] * 0.1;  // cloned below to separate leaf tensors, like those of a file
  return {{"unet.scale", (values.narrow(0, 0, 1) + 0.5).clone()},
          {"unet.slope", values.narrow(0, 1, 1).clone()},
          {"unet.bias", values.narrow(0, 2, 3).clone()}};
}

Model toy_model(std::uint64_t seed, const std::string& process) {
  Model model;
  const auto network = std::make_shared<ToyNetwork>();
  Value config;
  config["num_train_timesteps"] = 1000;
  if (process == "rectified_flow") {
    config["_class_name"] = "FlowMatchEulerDiscreteScheduler";
  } else {
    config["_class_name"] = "DDIMScheduler";
    config["beta_schedule"] = "linear";
    config["beta_start"] = 0.0001;
    config["beta_end"] = 0.02;
    config["prediction_type"] = "epsilon";
    config["clip_sample"] = false;
  }
  model.process = diffusion::make_process(config, "the toy model");
  model.weights = network->initialize(seed);
  model.info.digest = digest_weights(model.weights);
  model.info.architecture = network->architecture();
  model.info.process = model.process->config();
  model.network = network;
  return model;
}

}  // namespace espalier::conformance
