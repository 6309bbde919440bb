#include "tests/runtime/training/linear_gaussian.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <numeric>
#include <optional>

#include "runtime/modelfile/safetensors.h"
#include "tests/conformance/tensor_codec.h"

namespace espalier::sft {
namespace {

constexpr double kBetaStart = 0.02, kBetaEnd = 0.4;
constexpr const char* kKind = "vector";

class GaussianExamples final : public Examples {
 public:
  GaussianExamples(const std::string& split, double spread) : digest_(sha256("gaussian " + split)), spread_(spread) {}
  std::int64_t size() const override { return 0; }
  Hex digest() const override { return digest_; }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    random::Draws draws({.seed = 5, .purpose = random::Purpose::data, .round = 0, .branch = 0}, positions);
    std::vector<std::int64_t> labels;
    labels.reserve(positions.size());
    for (const auto position : positions) labels.push_back(static_cast<std::int64_t>(position % 2));
    const auto label = at::tensor(labels, at::kLong);
    Batch batch;
    batch.sample = {kKind, {{"x", draws.normals({kElements}) * spread_ + (1 - 2 * label).unsqueeze(1)}}, {}};
    batch.condition.tensors["label"] = label;
    batch.condition.text.resize(positions.size());
    batch.condition.metadata.resize(positions.size());
    return batch;
  }

 private:
  Hex digest_;
  double spread_;
};

class GaussianDomain final : public Domain, public Dataset {
 public:
  explicit GaussianDomain(double spread) : spread_(spread) {}
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return kKind; }
  const Dataset& data() const override { return *this; }
  std::shared_ptr<const Codec> codec(const ModelInfo*) const override {
    return std::make_shared<conformance::TensorCodec>(kKind, StateSpec{{"x", {{kElements}, at::kFloat}}});
  }
  std::vector<std::string> splits() const override { return {"train", "held_out"}; }
  Conditions conditions(const std::string&) const override {
    return {{{"label", at::tensor({0, 1}, at::kLong)}}, {{"label", at::full({1}, kEmpty, at::kLong)}}, {"plus", "minus"}, {{}, {}}};
  }
  std::unique_ptr<Examples> examples(const std::string& split) const override { return std::make_unique<GaussianExamples>(split, spread_); }

 private:
  double spread_;
};

// The engine's side of a run: counts optimizer steps by the progress that is reported.
class Engine final : public Progress, public StopToken, public Checkpoints, public CurveLog {
 public:
  explicit Engine(Training& training) : training_(training) {}
  void begin(const std::string&, std::int64_t, const std::string&, std::int64_t) override {}
  void advance(std::int64_t count, const std::string&) override {
    steps_ += count;
    if (steps_ == training_.die_after) throw Died();
  }
  void end() override {}
  void say(const std::string&) override {}
  bool stop_requested() const override { return training_.stop_after >= 0 && steps_ >= training_.stop_after; }

  std::optional<Checkpoint> newest() override {
    if (training_.checkpoint.empty()) return std::nullopt;
    Checkpoint checkpoint;
    const auto state = parse_json(training_.checkpoint.substr(0, training_.checkpoint.find('\n')), "state");
    checkpoint.step = state.at("step").as_integer();
    checkpoint.state = state.at("state");
    const auto bytes = training_.checkpoint.substr(training_.checkpoint.find('\n') + 1);
    for (const auto& [name, tensor] : modelfile::parse_safetensors(bytes, "checkpoint")) {
      const auto slash = name.find('/');
      checkpoint.tensors[name.substr(0, slash)][name.substr(slash + 1)] = tensor;
    }
    for (auto& [name, curve] : training_.curves) curve.erase(curve.upper_bound(checkpoint.step), curve.end());
    return checkpoint;
  }
  void save(const Checkpoint& checkpoint) override {
    ++training_.saved;
    TensorMap all;
    for (const auto& [group, tensors] : checkpoint.tensors) {
      for (const auto& [name, tensor] : tensors) all[fmt::format("{}/{}", group, name)] = tensor;
    }
    const Value state = Value::Map{{"step", checkpoint.step}, {"state", checkpoint.state}};
    training_.checkpoint = to_json(state) + "\n" + modelfile::format_safetensors(all);
  }
  void scalar(const std::string& name, std::int64_t step, double value) override {
    EXPECT_TRUE(training_.curves[name].emplace(step, value).second) << name << " was logged twice at step " << step;
  }

 private:
  Training& training_;
  std::int64_t steps_ = 0;
};

}  // namespace

std::shared_ptr<const diffusion::NoiseProcess> linear_process() {
  const Value config = Value::Map{{"_class_name", "DDIMScheduler"}, {"num_train_timesteps", kTimesteps},
                                  {"beta_schedule", "linear"},      {"beta_start", kBetaStart},
                                  {"beta_end", kBetaEnd},           {"clip_sample", false},
                                  {"prediction_type", "epsilon"}};
  return diffusion::make_process(config, "the linear world");
}

std::vector<double> alpha_bars() {
  std::vector<double> bars;
  double product = 1.0;
  for (std::int64_t t = 0; t < kTimesteps; ++t) {
    product *= 1.0 - (kBetaStart + (kBetaEnd - kBetaStart) * static_cast<double>(t) / static_cast<double>(kTimesteps - 1));
    bars.push_back(product);
  }
  return bars;
}

TensorMap LinearNetwork::embed(const Weights& weights, const TensorMap& condition) const {
  const auto& label = condition.at("label");
  const auto* label_of = label.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < label.numel(); ++i) ++labels[label_of[i]];
  return {{"label", label}, {"shift", weights.at("text_encoder.shift").index_select(0, label)}};
}

State LinearNetwork::predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const {
  const auto t = timestep.to(at::kLong);
  timesteps.insert(t.const_data_ptr<std::int64_t>(), t.const_data_ptr<std::int64_t>() + t.numel());
  const auto gain = weights.at("unet.gain").index_select(0, t);                                                    // [B]
  const auto offset = weights.at("unet.offset").flatten().index_select(0, embedded.at("label") * kTimesteps + t);  // [B]
  const auto x = noisy.at("x") + embedded.at("shift").unsqueeze(1);
  return {{"x", gain.unsqueeze(1) * x + offset.unsqueeze(1)}};
}

Weights LinearNetwork::initialize(std::uint64_t) const {
  return {{"unet.gain", at::zeros({kTimesteps})},
          {"unet.offset", at::zeros({kEmpty + 1, kTimesteps})},
          {"text_encoder.shift", at::zeros({kEmpty + 1})}};
}

Model linear_model() {
  Model model;
  const auto network = std::make_shared<LinearNetwork>();
  model.process = linear_process();
  model.weights = network->initialize(0);
  model.info.digest = digest_weights(model.weights);
  model.info.architecture = network->architecture();
  model.info.process = model.process->config();
  model.network = network;
  return model;
}

const LinearNetwork& network_of(const Model& model) { return dynamic_cast<const LinearNetwork&>(*model.network); }

std::unique_ptr<Domain> gaussian_domain(double spread) { return std::make_unique<GaussianDomain>(spread); }

Accepted::Accepted(std::int64_t count, double spread, std::vector<double> weights_in)
    : weight(std::move(weights_in)), score(weight.size(), 0.0), trajectory(linear_process()->grid(4)) {
  std::vector<std::uint64_t> rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), std::uint64_t{0});
  if (count > 0) clean = GaussianExamples("train", spread).at(rows).sample.tensors.at("x");
}

State Accepted::states(std::int64_t steps_remaining) const {
  if (steps_remaining == 0) return {{"x", clean}};
  const auto level = trajectory.at(steps_remaining).level;
  std::vector<std::uint64_t> rows(weight.size());
  std::iota(rows.begin(), rows.end(), std::uint64_t{0});
  random::Draws draws({.seed = 6, .purpose = random::Purpose::sampling, .round = 0, .branch = 0}, rows);
  return {{"x", clean * (stretch * level.alpha) + lift + draws.normals({kElements}) * level.sigma}};
}

SelectedTrajectories Accepted::selection() const {
  class Source final : public ViewSource {
   public:
    explicit Source(Accepted accepted) : accepted_(std::move(accepted)) {}
    State states(std::int64_t steps_remaining, const std::vector<std::int64_t>& index) const override {
      return {{"x", accepted_.states(steps_remaining).at("x").index_select(0, at::tensor(index, at::kLong))}};
    }
    Conditions conditions(const std::vector<std::int64_t>& index) const override {
      Conditions conditions;
      conditions.tensors["label"] = at::full({static_cast<std::int64_t>(index.size())}, accepted_.label, at::kLong);
      return conditions;
    }

   private:
    Accepted accepted_;
  };
  const auto count = static_cast<std::int64_t>(weight.size());
  ViewInfo info{"samples", trajectory, gaussian_domain()->codec(nullptr), View::range(0, count), condition};
  info.condition.resize(weight.size());
  return {View(std::move(info), std::make_shared<Source>(*this)), weight, score, {"sampler.example", Value::Map{}}};
}

TrainedModel Training::train(const Trainer& trainer) {
  Engine engine(*this);
  std::optional<SelectedTrajectories> selected;
  if (selection) selected = selection->selection();
  TrainerInput input{*domain, start, selected ? &*selected : nullptr, 3, {at::kCPU, &engine, &engine}, engine, engine};
  input.codec = domain->codec(&start.info);
  input.state = state;
  return trainer.train(input);
}

}  // namespace espalier::sft
