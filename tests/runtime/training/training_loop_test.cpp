// The loop where AdamW is known in closed form: a constant gradient moves a weight by the learning rate each step.
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "runtime/base/errors.h"
#include "runtime/training/training_loop.h"
#include "tests/conformance/toy.h"

namespace espalier::training {
namespace {

using ::testing::ElementsAre, ::testing::HasSubstr, ::testing::Key, ::testing::ThrowsMessage;

constexpr double kRate = 0.125;

// L(w) = w, from w = 1: before step n, w = 1 - n kRate. The second curve is n.
class Slope final : public Objective {
 public:
  std::vector<std::string> curves() const override { return {"loss", "steps"}; }
  NamedParameters parameters = trainable_copies({{"w", at::full({1}, 1.0, at::kFloat)}}, at::kCPU);
  double scale = 1.0;
  double weight() const { return parameters.front().second.item<double>(); }
  std::vector<std::int64_t> batches;

  std::vector<at::Tensor> values(std::int64_t step) override {
    batches.push_back(step);
    return {parameters.front().second.sum() * scale, at::full({}, static_cast<double>(step), at::kFloat)};
  }
};

// The engine's side. Requests a stop at the given call of stop_requested(), which follows a step.
struct Engine final : Checkpoints, CurveLog, StopToken {
  std::optional<Checkpoint> newest() override { return kept; }
  void save(const Checkpoint& checkpoint) override {
    saved.push_back(checkpoint.step);
    kept = checkpoint;
    for (auto& [group, tensors] : kept->tensors) {
      for (auto& [name, tensor] : tensors) tensor = tensor.clone();
    }
  }
  void scalar(const std::string& name, std::int64_t step, double value) override { curves[name][step] = value; }
  bool stop_requested() const override { return ++questions == stop_at; }

  std::optional<Checkpoint> kept;
  std::vector<std::int64_t> saved;
  std::map<std::string, std::map<std::int64_t, double>> curves;
  int stop_at = 0;
  mutable int questions = 0;
};

struct How {
  std::int64_t max_train_steps = 5;
  std::int64_t logging_steps = 2;
  double learning_rate = kRate;
};

LoopOptions options_of(const How& how) {
  LoopOptions options;
  options.max_train_steps = how.max_train_steps;
  options.checkpointing_steps = 2;
  options.logging_steps = how.logging_steps;
  options.adamw = {.learning_rate = how.learning_rate, .adam_weight_decay = 0.0};
  return options;
}

Trained train_with(Slope& slope, Engine& engine, const LoopOptions& options, const Communicator& communicator = OneRank(),
                   const TensorMap* state = nullptr) {
  const auto domain = conformance::toy_domain();
  const auto progress = make_silent_progress();
  const Model model;
  TrainerInput input{*domain, model, nullptr, 0, {at::kCPU, &engine, progress.get()}, engine, engine};
  input.state = state;
  return train(input, "trainer.slope", slope.parameters, options, slope, communicator);
}

Trained train(Slope& slope, Engine& engine, const How& how = {}) { return train_with(slope, engine, options_of(how)); }

TEST(TrainingLoop, StepsAndLogsMeansSinceThePointBefore) {
  Slope slope;
  Engine engine;
  train(slope, engine);
  EXPECT_NEAR(slope.weight(), 1 - 5 * kRate, 1e-6);
  EXPECT_THAT(engine.saved, ElementsAre(2, 4));
  EXPECT_THAT(engine.curves.at("steps"), ElementsAre(std::pair(2, 0.5), std::pair(4, 2.5), std::pair(5, 4.0)));
  EXPECT_NEAR(engine.curves.at("loss").at(2), 1 - 0.5 * kRate, 1e-6);
  EXPECT_NEAR(engine.curves.at("loss").at(4), 1 - 2.5 * kRate, 1e-6);
  EXPECT_NEAR(engine.curves.at("loss").at(5), 1 - 4 * kRate, 1e-6);
}

TEST(TrainingLoop, GoesOnAfterAStopAsIfItHadNot) {
  Slope whole;
  Engine undisturbed;
  train(whole, undisturbed);
  for (int stop = 1; stop < 5; ++stop) {
    SCOPED_TRACE(stop);
    Engine engine;
    engine.stop_at = stop;
    Slope before, after;
    EXPECT_THAT([&] { train(before, engine); }, ThrowsMessage<Stopped>(HasSubstr("trainer.slope: step " + std::to_string(stop))));
    EXPECT_EQ(engine.saved.back(), stop);
    train(after, engine);
    EXPECT_EQ(after.weight(), whole.weight());
    EXPECT_EQ(engine.curves, undisturbed.curves);
  }
}

// Of the steps 0 .. 4, the first point's 0 and 1 were logged; what is kept of step 2 is of the point that the second run logs at 4.
TEST(TrainingLoop, GoesOnWithPointsAtOtherSteps) {
  Engine engine;
  engine.stop_at = 3;
  Slope before, after;
  EXPECT_THROW(train(before, engine), Stopped);
  train(after, engine, {.logging_steps = 4});
  EXPECT_THAT(engine.curves.at("steps"), ElementsAre(std::pair(2, 0.5), std::pair(4, 2.5), std::pair(5, 4.0)));
}

TEST(TrainingLoop, FinishesWhenAskedToStopAtTheLastStep) {
  Slope slope;
  Engine engine;
  engine.stop_at = 5;
  EXPECT_NO_THROW(train(slope, engine));
}

// What is on disk since trainers had loops of their own; the numbers are AdamW's after three steps of gradient 1.
TEST(TrainingLoop, KeepsTheFormatOfCheckpoints) {
  Engine written;
  written.stop_at = 3;
  Slope slope;
  EXPECT_THROW(train(slope, written), Stopped);
  ASSERT_THAT(written.kept->tensors, ElementsAre(Key("curves"), Key("model"), Key("optimizer")));
  EXPECT_THAT(written.kept->tensors.at("optimizer"), ElementsAre(Key("w.exp_avg"), Key("w.exp_avg_sq"), Key("w.step")));

  Checkpoint old;
  old.step = 3;
  old.tensors["model"]["w"] = at::tensor({-7.0F});
  old.tensors["optimizer"] = {{"w.exp_avg", at::tensor({static_cast<float>(1 - 0.9 * 0.9 * 0.9)})},
                              {"w.exp_avg_sq", at::tensor({static_cast<float>(1 - 0.999 * 0.999 * 0.999)})},
                              {"w.step", at::full_like(written.kept->tensors.at("optimizer").at("w.step"), 3.0)}};
  old.tensors["curves"]["sums"] = at::tensor({11.0F, 5.0F});
  Engine engine;
  engine.kept = old;
  Slope resumed;
  train(resumed, engine);
  EXPECT_NEAR(resumed.weight(), -7 - 2 * kRate, 1e-4);
  EXPECT_EQ(engine.curves.at("loss").at(4), (11.0 - 7.0) / 2);
  EXPECT_EQ(engine.curves.at("steps").at(4), (5.0 + 3.0) / 2);
}

TEST(TrainingLoop, RefusesToGoOnWithoutAFiniteLoss) {
  Slope slope;
  slope.scale = std::numeric_limits<double>::infinity();
  Engine engine;
  EXPECT_THAT([&] { train(slope, engine); }, ThrowsMessage<StageError>(HasSubstr("trainer.slope: step 2: the loss is not finite")));
  EXPECT_TRUE(engine.curves.empty());
}

TEST(TrainingLoop, RefusesToEndWithWeightsThatAreNotFinite) {
  Slope slope;  // the loss of the only step is that of the weights before it
  Engine engine;
  EXPECT_THAT([&] { train(slope, engine, {.max_train_steps = 1, .learning_rate = 1e39}); },
              ThrowsMessage<StageError>(HasSubstr("trainer.slope: step 1: the weights of 'w' are not finite")));
}

// Four of eight batches a step: the same gradient, and the curves' means.
TEST(TrainingLoop, AccumulatesBatches) {
  Slope slope;
  Engine engine;
  auto options = options_of({.max_train_steps = 2, .logging_steps = 1});
  options.gradient_accumulation_steps = 4;
  train_with(slope, engine, options);
  EXPECT_THAT(slope.batches, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_NEAR(slope.weight(), 1 - 2 * kRate, 1e-6);
  EXPECT_THAT(engine.curves.at("steps"), ElementsAre(std::pair(1, 1.5), std::pair(2, 5.5)));
}

TEST(TrainingLoop, GivesTheMovingAverage) {
  Slope slope;
  Engine engine;
  auto options = options_of({.max_train_steps = 2});
  options.use_ema = true;
  const auto trained = train_with(slope, engine, options);
  // After the first step the average is the weight, after the second 2/11 of it and 9/11 of the new one.
  EXPECT_NEAR(trained.weights.at("w").item<double>(), 1 - kRate * (2.0 / 11 + 2 * 9.0 / 11), 1e-6);
}

// One of two ranks, whose other has no gradient at all.
class HalfOfTwo final : public Communicator {
 public:
  explicit HalfOfTwo(std::int64_t rank) : rank_(rank) {}
  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return 2; }
  void all_reduce_mean(const std::vector<at::Tensor>& tensors) const override {
    reduced += tensors.size();
    for (auto tensor : tensors) tensor.mul_(0.5);
  }
  mutable std::size_t reduced = 0;

 private:
  std::int64_t rank_;
};

TEST(TrainingLoop, TrainsEachRankOnItsOwnBatchesAndReducesGradients) {
  for (const std::int64_t rank : {0, 1}) {
    Slope slope;
    Engine engine;
    const HalfOfTwo half(rank);
    train_with(slope, engine, options_of({.max_train_steps = 3, .logging_steps = 1}), half);
    EXPECT_THAT(slope.batches, ElementsAre(rank, 2 + rank, 4 + rank));
    EXPECT_EQ(half.reduced, 3U + 3U);  // a gradient and the curves each step
    EXPECT_EQ(engine.curves.empty(), rank == 1) << "rank 0 logs";
    EXPECT_EQ(engine.saved.empty(), rank == 1) << "rank 0 saves";
  }
}

// Two rounds of three steps with the state handed on are six steps; without it the moments begin anew.
TEST(TrainingLoop, HandsTheOptimizersStateOn) {
  const auto after = [](const TensorMap* state, std::vector<double> scales) {
    Slope slope;
    Engine engine;
    auto options = options_of({.max_train_steps = 3});
    options.keep_state = true;
    slope.scale = scales.front();
    auto first = train_with(slope, engine, options);
    if (state == nullptr) first.state.clear();
    Engine next;
    slope.scale = scales.back();
    train_with(slope, next, options, OneRank(), &first.state);
    return slope.weight();
  };
  const TensorMap any;
  Slope whole;
  Engine engine;
  train(whole, engine, {.max_train_steps = 6});
  EXPECT_NEAR(after(&any, {1.0, 1.0}), whole.weight(), 1e-6);
  EXPECT_GT(std::abs(after(&any, {1.0, -1.0}) - after(nullptr, {1.0, -1.0})), 0.1) << "the first moment still points down";
  Slope slope;
  Engine silent;
  EXPECT_TRUE(train(slope, silent).state.empty()) << "no state is kept unless it is asked for";
}

// L(w) = w computed in float16, where the gradient of w is `gradient`.
class HalfSlope final : public Objective {
 public:
  explicit HalfSlope(double gradient) : gradient_(gradient) {}
  NamedParameters parameters = trainable_copies({{"w", at::full({1}, 1.0, at::kFloat)}}, at::kCPU);
  std::vector<at::Tensor> values(std::int64_t) override {
    const auto half = parameters.front().second.to(at::kHalf);
    return {(half * std::sqrt(gradient_)).to(at::kFloat).sum() * std::sqrt(gradient_)};
  }

 private:
  double gradient_;
};

// Where w is after these steps by learning rate kRate.
double weight_after(std::int64_t steps, double gradient, at::ScalarType dtype, Engine& engine) {
  HalfSlope slope(gradient);
  auto options = options_of({.max_train_steps = steps});
  options.adamw.adam_epsilon = 1e-30;
  options.max_grad_norm = 0.0;
  const auto domain = conformance::toy_domain();
  Model model;
  model.info.dtype = dtype;
  train({*domain, model, nullptr, 0, {at::kCPU, &engine, nullptr}, engine, engine}, "trainer.slope", slope.parameters, options, slope);
  return slope.parameters.front().second.item<double>();
}

TEST(TrainingLoop, ScalesTheLossOfAModelOfFloat16) {
  Engine plain, scaled;
  EXPECT_EQ(weight_after(5, 1e-9, at::kFloat, plain), 1.0) << "the gradient vanishes in float16";
  EXPECT_NEAR(weight_after(5, 1e-9, at::kHalf, scaled), 1.0 - 5 * kRate, 1e-6);
}

TEST(TrainingLoop, LeavesOutStepsWhoseGradientsOverflowInFloat16) {
  // 65536 * 16 and its halves down to 65536 are no numbers of float16: five steps are left out.
  Engine engine;
  EXPECT_NEAR(weight_after(8, 16.0, at::kHalf, engine), 1.0 - 3 * kRate, 1e-6);
  Engine stopped;
  stopped.stop_at = 3;
  EXPECT_THROW(weight_after(8, 16.0, at::kHalf, stopped), Stopped);
  EXPECT_NEAR(weight_after(8, 16.0, at::kHalf, stopped), 1.0 - 3 * kRate, 1e-6) << "the checkpoint holds the scale";
}

}  // namespace
}  // namespace espalier::training
