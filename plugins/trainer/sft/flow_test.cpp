// What training a rectified flow converges to, against closed forms: a network of one gain and one offset for all times.
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"
#include "tests/runtime/diffusion/flow_oracle.h"
#include "tests/runtime/training/linear_gaussian.h"

namespace espalier::sft {
namespace {

using conformance::Options;
using flow_oracle::Gaussian;
using flow_oracle::Line;

// prediction = gain x + offset. Weights: "unet.gain" and "unet.offset", [1].
class LineNetwork final : public Network {
 public:
  Value architecture() const override { return "line"; }
  TensorMap embed(const Weights&, const TensorMap&) const override { return {}; }
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap&) const override {
    latest = std::max(latest, 1 - timestep.min().item<double>() / 1000);
    return {{"x", noisy.at("x") * weights.at("unet.gain") + weights.at("unet.offset")}};
  }
  Weights initialize(std::uint64_t) const override { return {{"unet.gain", at::zeros({1})}, {"unet.offset", at::zeros({1})}}; }
  mutable double latest = 0.0;  // the largest time evaluated
};

Model line_model() {
  Model model = conformance::toy_model(1, "rectified_flow");
  const auto network = std::make_shared<LineNetwork>();
  model.weights = network->initialize(0);
  model.info.digest = digest_weights(model.weights);
  model.info.architecture = network->architecture();
  model.network = network;
  return model;
}

struct Trained {
  Line line;
  double latest = 0.0;  // the largest time trained on
  double loss = 0.0;
};

Trained train(const Accepted* selection, const std::string& loss, double intermediate_step = 0.0) {
  Training training;
  training.start = line_model();
  training.selection = selection;
  Options options{{"max_train_steps", 1200},  {"train_batch_size", 64}, {"learning_rate", 0.05}, {"lr_scheduler", "cosine"},
                  {"adam_weight_decay", 0.0}, {"max_grad_norm", 0.0},   {"logging_steps", 300},  {"loss", loss}};
  if (intermediate_step > 0) options["intermediate_step"] = intermediate_step;
  const auto model = training.run(*conformance::make<Trainer>(conformance::plugin("trainer.sft"), options));
  return {{model.weights.at("unet.gain").item<double>(), model.weights.at("unet.offset").item<double>()},
          dynamic_cast<const LineNetwork&>(*training.start.network).latest,
          training.curves.at("loss").at(1200)};
}

// Accepted trajectories on a flow's grid of 4 steps; with 2 steps left a state is at t = 0.5.
Accepted accepted_on_a_flow() {
  Accepted accepted(64, 0.3, std::vector<double>(64, 1.0));
  accepted.trajectory = line_model().process->grid(4);
  accepted.stretch = 1.4;  // not what noising x_0 gives: the two losses have other optima here
  accepted.lift = 0.5;
  return accepted;
}

Gaussian law_of(const at::Tensor& x) { return {x.mean().item<double>(), x.var(false).item<double>()}; }

void expect_line(const Line& found, const Line& wanted) {
  EXPECT_NEAR(found.gain, wanted.gain, 0.04);
  EXPECT_NEAR(found.offset, wanted.offset, 0.04);
}

TEST(SftOnFlows, PretrainingReachesTheBestLineOverAllTimes) {
  const auto trained = train(nullptr, "clean");
  expect_line(trained.line, flow_oracle::best_prediction({0.0, 1.25}, 1.0, 1.0));  // x_0 = +-1 + 0.5 noise
  EXPECT_GT(trained.latest, 0.99);
}

TEST(SftOnFlows, CleanTrainsOnTheSampleAtEarlierTimesOnly) {
  const auto accepted = accepted_on_a_flow();
  const auto trained = train(&accepted, "clean", 0.5);
  expect_line(trained.line, flow_oracle::best_prediction(law_of(accepted.clean), 1.0, 0.5));
  EXPECT_LT(trained.latest, 0.5);
  EXPECT_GT(trained.latest, 0.49);
}

TEST(SftOnFlows, ForwardGoesOnNoisingTheRecordedState) {
  const auto accepted = accepted_on_a_flow();
  const auto trained = train(&accepted, "forward", 0.5);
  const auto wanted = flow_oracle::best_prediction(law_of(accepted.states(2).at("x")), 0.5, 0.5);
  expect_line(trained.line, wanted);
  EXPECT_LT(trained.latest, 0.5);
  EXPECT_TRUE(std::isfinite(trained.loss));
  const auto other = flow_oracle::best_prediction(law_of(accepted.clean), 1.0, 0.5);
  EXPECT_GT(std::abs(wanted.offset - other.offset) + std::abs(wanted.gain - other.gain), 0.2)
      << "the test could not distinguish the losses";
}

TEST(SftOnFlows, GraftTrainsOnTheSampleAtAllTimes) {
  const auto accepted = accepted_on_a_flow();
  const auto trained = train(&accepted, "forward");
  expect_line(trained.line, flow_oracle::best_prediction(law_of(accepted.clean), 1.0, 1.0));
  EXPECT_GT(trained.latest, 0.99);
}

}  // namespace
}  // namespace espalier::sft
