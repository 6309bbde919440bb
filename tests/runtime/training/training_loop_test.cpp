// The loop where AdamW is known in closed form: a constant gradient moves a weight by the learning rate each step.
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <optional>

#include "runtime/base/errors.h"
#include "runtime/training/mean_objective.h"
#include "tests/conformance/toy.h"

namespace espalier::training {
namespace {

using ::testing::ElementsAre, ::testing::HasSubstr, ::testing::Key, ::testing::ThrowsMessage;

constexpr double kRate = 0.125;

// L(w) = w, from w = 1: before step n, w = 1 - n kRate. The second curve is n.
class Slope final : public MeanObjective {
 public:
  Slope() : MeanObjective({"loss", "steps"}, at::kCPU) {}
  NamedParameters parameters = trainable_copies({{"w", at::full({1}, 1.0, at::kFloat)}}, at::kCPU);
  double scale = 1.0;
  double weight() const { return parameters.front().second.item<double>(); }

 private:
  std::vector<at::Tensor> values(std::int64_t step) override {
    return {parameters.front().second.sum() * scale, at::full({}, static_cast<double>(step), at::kFloat)};
  }
};

// The engine's side. A stop is asked for at the given question, which follows a step.
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

void train(Slope& slope, Engine& engine, const How& how = {}) {
  const auto domain = conformance::toy_domain();
  const auto progress = make_silent_progress();
  const Model model;
  LoopSettings settings{"trainer.slope", {}, how.max_train_steps, /*checkpointing_steps=*/2, how.logging_steps};
  settings.optimization.adamw = {.learning_rate = how.learning_rate, .adam_weight_decay = 0.0};
  train({*domain, model, nullptr, 0, at::kCPU, engine, engine, *progress, engine}, slope.parameters, settings, slope);
}

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

}  // namespace
}  // namespace espalier::training
