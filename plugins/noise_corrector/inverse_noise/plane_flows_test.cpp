#include "plugins/noise_corrector/inverse_noise/plane_flows.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "runtime/network/layers.h"
#include "runtime/plugin/catalog.h"
#include "runtime/sampling/embedding.h"
#include "runtime/sampling/run_sampling.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/tensor_codec.h"
#include "tests/conformance/toy.h"

namespace espalier::inverse_noise {
namespace {

constexpr std::int64_t kMicroBatch = 512;
constexpr std::uint64_t kSeed = 7;
constexpr const char* kKind = "point";

template <class T>
std::unique_ptr<T> loaded(const std::string& kind, const std::string& name, const Value::Map& options) {
  static const auto catalog = plugin::load_catalog({ESPALIER_BINARY_DIR "/plugins"});
  const auto* entry = catalog.find(kind, name);
  if (entry == nullptr) throw PluginError(kind + "." + name + " is not built");
  return conformance::make<T>(*entry, options);
}

std::vector<std::uint64_t> first_positions(std::int64_t count) {
  std::vector<std::uint64_t> positions(static_cast<std::size_t>(count));
  std::iota(positions.begin(), positions.end(), std::uint64_t{0});
  return positions;
}

at::Tensor draw(const MixtureLaw& law, random::StreamKey key, const std::vector<std::uint64_t>& positions) {
  std::vector<double> flat;
  for (const auto& mean : law.means) flat.insert(flat.end(), mean.begin(), mean.end());
  const auto means = at::tensor(flat, at::kFloat).view({-1, 2});
  random::Draws draws(key, positions);
  const auto part = draws.integers({}, means.size(0)).flatten();
  return means.index_select(0, part) + draws.normals({2}) * law.spread;
}

at::Tensor time_of(const at::Tensor& timestep) { return (1.0 - timestep / 1000.0).unsqueeze(1); }  // [B, 1]

// E[x_0 - eps | x_t = x]. In part i, x_t ~ N(t m_i, D I) with D = t^2 s^2 + (1-t)^2, where
// E[x_0] = m_i + t s^2/D (x - t m_i) and E[eps] = (1-t)/D (x - t m_i). Networks predict its negative.
class MixtureFlow final : public Network {
 public:
  Value architecture() const override { return "mixture flow"; }
  TensorMap embed(const Weights&, const TensorMap&) const override { return {}; }
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap&) const override {
    const auto t = time_of(timestep);
    const auto square = weights.at("unet.spread").square();                                   // [1]
    const auto variance = t.square() * square + (1 - t).square();                             // [B, 1]
    const auto off = noisy.at("x").unsqueeze(1) - t.unsqueeze(2) * weights.at("unet.means");  // [B, K, 2]
    const auto share = at::softmax(off.square().sum(2) / (-2 * variance), 1).unsqueeze(2);    // [B, K, 1]
    const auto slope = ((t * square - (1 - t)) / variance).unsqueeze(2);                      // [B, 1, 1]
    return {{"x", -(share * (weights.at("unet.means") + slope * off)).sum(1)}};
  }
  Weights initialize(std::uint64_t) const override { return {}; }
};

// linear(silu(... silu(linear(x, y, t)) ...))
class Perceptron final : public Network {
 public:
  Perceptron(std::int64_t width, std::int64_t hidden) : width_(width), hidden_(hidden) {}
  Value architecture() const override { return fmt::format("perceptron {} x {}", hidden_, width_); }
  TensorMap embed(const Weights&, const TensorMap&) const override { return {}; }
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap&) const override {
    const network::Scope scope(weights, "unet.");
    auto x = at::cat({noisy.at("x"), time_of(timestep)}, 1);
    for (std::int64_t i = 0; i < hidden_; ++i) x = network::silu(network::linear(scope.at("layers", static_cast<std::size_t>(i)), x));
    return {{"x", network::linear(scope.at("out"), x)}};
  }
  Weights initialize(std::uint64_t seed) const override {
    network::WeightSpecs specs;
    for (std::int64_t i = 0; i < hidden_; ++i) specs.linear(fmt::format("layers.{}", i), i == 0 ? 3 : width_, width_);
    specs.linear("out", width_, 2);
    return specs.initialize("unet.", seed);
  }

 private:
  std::int64_t width_, hidden_;
};

Model flow_of(std::shared_ptr<const Network> network, Weights weights) {
  Model model = conformance::toy_model(1, "rectified_flow");
  model.weights = std::move(weights);
  model.info.digest = digest_weights(model.weights);
  model.info.architecture = network->architecture();
  model.network = std::move(network);
  return model;
}

class LawExamples final : public Examples {
 public:
  LawExamples(MixtureLaw law, std::uint64_t seed) : law_(std::move(law)), seed_(seed) {}
  std::int64_t size() const override { return 0; }
  Hex digest() const override { return sha256(fmt::format("a law's examples {}", seed_)); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    Batch batch;
    batch.sample = {kKind, {{"x", draw(law_, {seed_, random::Purpose::data}, positions)}}, {}};
    batch.condition.text.resize(positions.size());
    batch.condition.metadata.resize(positions.size());
    return batch;
  }

 private:
  MixtureLaw law_;
  std::uint64_t seed_;
};

class RowExamples final : public EncodedExamples {
 public:
  explicit RowExamples(at::Tensor rows) : rows_(std::move(rows)) {}
  std::int64_t size() const override { return rows_.size(0); }
  Hex digest() const override { return digest_weights({{"x", rows_}}); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    const std::vector<std::int64_t> which(positions.begin(), positions.end());
    return {{{"x", rows_.index_select(0, at::tensor(which, at::kLong))}}, {}, std::vector<Value>(positions.size())};
  }

 private:
  at::Tensor rows_;
};

class Plane final : public Domain, public Dataset {
 public:
  explicit Plane(MixtureLaw law) : law_(std::move(law)) {}
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return kKind; }
  const Dataset& data() const override { return *this; }
  std::shared_ptr<const Codec> codec(const ModelInfo*) const override {
    return std::make_shared<conformance::TensorCodec>(kKind, StateSpec{{"x", {{2}, at::kFloat}}});
  }
  std::vector<std::string> splits() const override { return {"train", "held_out"}; }
  Conditions conditions(const std::string&) const override { return {{}, {}, {""}, {{}}}; }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    return std::make_unique<LawExamples>(law_, split == "train" ? 1 : 2);
  }

 private:
  MixtureLaw law_;
};

// Keeps neither checkpoints nor curves.
class Unwatched final : public Checkpoints, public CurveLog {
 public:
  std::optional<Checkpoint> newest() override { return std::nullopt; }
  void save(const Checkpoint&) override {}
  void scalar(const std::string&, std::int64_t, double) override {}
};

Model train(const Domain& domain, const Model& start, std::shared_ptr<const EncodedExamples> examples,
            const std::optional<CorrectedSampling>& corrects, const Value::Map& options) {
  Unwatched unwatched;
  const auto trainer = loaded<Trainer>("trainer", "sft", options);
  TrainerInput input{domain, start, nullptr, kSeed, StageContext(), unwatched, unwatched};
  input.codec = domain.codec(&start.info);
  input.examples = std::move(examples);
  input.corrects = corrects;
  return trainer->train(input).model;
}

class LastState final : public Recorder {
 public:
  void record(const diffusion::GridPoint&, const State& state) override { last = state; }
  State last;
};

}  // namespace

at::Tensor MixtureLaw::sample(std::int64_t count, std::uint64_t seed) const {
  return draw(*this, {seed, random::Purpose::evaluation}, first_positions(count));
}

MixtureLaw standard_normal() { return {{{0.0, 0.0}}, 1.0}; }

MixtureLaw ring() {
  MixtureLaw law{{}, 0.15};
  for (int i = 0; i < 8; ++i) law.means.push_back({1.5 * std::cos(std::numbers::pi * i / 4), 1.5 * std::sin(std::numbers::pi * i / 4)});
  return law;
}

Model mixture_flow(const MixtureLaw& law) {
  std::vector<double> means;
  for (const auto& mean : law.means) means.insert(means.end(), mean.begin(), mean.end());
  return flow_of(std::make_shared<MixtureFlow>(),
                 {{"unet.means", at::tensor(means, at::kFloat).view({-1, 2})}, {"unet.spread", at::tensor({law.spread}, at::kFloat)}});
}

Model perceptron_flow(std::int64_t width, std::int64_t hidden, std::uint64_t seed) {
  const auto network = std::make_shared<Perceptron>(width, hidden);
  return flow_of(network, network->initialize(seed));
}

std::int64_t parameters_of(const Model& model) {
  std::int64_t count = 0;
  for (const auto& [name, weight] : model.weights) count += weight.numel();
  return count;
}

std::unique_ptr<Domain> plane(const MixtureLaw& law) { return std::make_unique<Plane>(law); }

Model train_flow(const Domain& domain, const Model& start, const Value::Map& options) {
  return train(domain, start, nullptr, std::nullopt, options);
}

Noises invert_examples(const Domain& domain, const Model& base, std::int64_t count, const Value::Map& options) {
  const auto corrector = loaded<NoiseCorrector>("noise_corrector", "inverse_noise", options);
  const auto phases = corrector->phases({base.info}, nullptr);
  const auto positions = first_positions(count);
  const auto batch = conformance::encoded(domain, "train", base)->at(positions);
  const std::vector<std::vector<SegmentModel>> models{
      {sampling::segment_model(std::make_shared<const Model>(base), batch.condition, kMicroBatch)}};
  random::Draws draws({kSeed, random::Purpose::sampling}, positions);
  LastState recorded;
  const auto spec = domain.codec(&base.info)->spec();
  corrector->compute({phases, models, spec, batch.state, kMicroBatch, draws, at::kCPU, NeverStop()}, recorded);
  const auto converged = recorded.last.at(inversion::kConverged).nonzero().flatten();
  return {recorded.last.at("x").index_select(0, converged), {base.info.digest, phases.front().grid.num_steps()}, count - converged.size(0)};
}

Model train_corrector(const Domain& domain, const Model& start, const at::Tensor& rows, const CorrectedSampling& corrects,
                      const Value::Map& options) {
  return train(domain, start, std::make_shared<RowExamples>(rows), corrects, options);
}

at::Tensor sample_flow(const Domain& domain, const Model& base, std::int64_t steps, std::int64_t count, const Model* prior,
                       std::int64_t prior_steps) {
  const auto sampler = loaded<Sampler>("sampler", "euler", {{"num_inference_steps", steps}, {"prior_num_inference_steps", prior_steps}});
  const auto phases = sampler->phases({base.info}, prior ? &prior->info : nullptr);
  std::vector<std::vector<SegmentModel>> models;
  if (prior) models.push_back({{std::make_shared<const Model>(*prior)}});
  models.push_back({{std::make_shared<const Model>(base)}});
  random::Draws draws({kSeed, random::Purpose::sampling}, first_positions(count));
  LastState recorded;
  const auto spec = domain.codec(&base.info)->spec();
  sampling::run_sampling(*sampler, {phases, models, spec, {}, count, draws, at::kCPU, NeverStop()}, recorded);
  return recorded.last.at("x").clone();
}

at::Tensor sampling_noise(std::int64_t count) {
  return random::Draws({kSeed, random::Purpose::sampling}, first_positions(count)).normals({2});
}

double energy_distance(const at::Tensor& a, const at::Tensor& b) {
  const auto sum = [](const at::Tensor& x, const at::Tensor& y) {
    return at::cdist(x.to(at::kDouble), y.to(at::kDouble), 2.0, /*compute_mode: not by products*/ 2).sum().item<double>();
  };
  const auto n = static_cast<double>(a.size(0)), m = static_cast<double>(b.size(0));
  return 2 * sum(a, b) / (n * m) - sum(a, a) / (n * (n - 1)) - sum(b, b) / (m * (m - 1));
}

namespace {

TEST(PlaneFlows, EnergyDistanceIsThatOfPointsAndUnbiased) {
  const auto origin = at::zeros({4, 2}), far = at::tensor({3.0F, 4.0F}).expand({6, 2});
  EXPECT_NEAR(energy_distance(origin, far), 10.0, 1e-12);
  double sum = 0.0, squares = 0.0;
  constexpr int kStudies = 200;
  for (std::uint64_t i = 0; i < kStudies; ++i) {
    const double distance = energy_distance(ring().sample(20, 2 * i), ring().sample(30, 2 * i + 1));
    sum += distance, squares += distance * distance;
  }
  EXPECT_LT(std::abs(sum), 4 * std::sqrt(squares));
}

// The exact flow to N(m, s^2 I) takes noise e to m + s e.
TEST(PlaneFlows, TheMixturesVelocityLeadsToTheMixture) {
  const MixtureLaw law{{{2.0, -1.0}}, 0.5};
  const auto reached = sample_flow(*plane(law), mixture_flow(law), 1000, 50);
  const auto wanted = at::tensor({2.0F, -1.0F}) + 0.5 * sampling_noise(50);
  EXPECT_LT((reached - wanted).abs().max().item<double>(), 0.01);
}

}  // namespace
}  // namespace espalier::inverse_noise
