// What trainers and rewards get from the engine: whole pipelines with a trainer and a reward that keep it.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>

#include "runtime/base/errors.h"
#include "toy_pipeline.h"

namespace espalier::exec {
namespace {

using testing::AllOf, testing::ElementsAre, testing::HasSubstr, testing::ThrowsMessage;

// What was seen of one training.
struct Seen {
  std::vector<std::int64_t> index, condition;
  std::vector<double> score, all_scores, weight;
  SamplingInfo sampling;
  State noise, recorded_noise;
  bool has_context = false;
  TensorMap state;  // handed on to it
};

// Adds 1 to the scale, and hands on a moment that its option gives.
class Keeper final : public Trainer {
 public:
  explicit Keeper(std::vector<Seen>& seen) : seen_(seen) {}
  void options(Schema& schema) override { schema.number("moment", moment_, "What it hands on; 0: nothing."); }
  void inputs(Inputs& in) override { in.selection("selection", "Looked at.").transitions(); }
  std::int64_t max_train_steps() const override { return 1; }
  TrainedModel train(const TrainerInput& input) const override {
    const auto& [view, weight, score, sampling] = *input.selection;
    auto& seen = seen_.emplace_back();
    seen = {view.index(), view.condition(), score, {}, weight, sampling, {}, {}, false, input.state ? *input.state : TensorMap()};
    seen.noise = view.transition(view.grid().num_steps(), view.all()).before;
    seen.recorded_noise = view.states(view.grid().num_steps(), view.all());
    seen.has_context = input.context.device == at::kCPU && input.context.stop && input.context.progress;
    TrainedModel trained{input.model, {}};
    auto& scale = trained.model.weights.at("unet.scale");
    scale = scale + 1;
    trained.model.info.digest = digest_weights(trained.model.weights);
    if (moment_ != 0.0) trained.state["moment"] = at::full({2}, moment_);
    return trained;
  }

 private:
  std::vector<Seen>& seen_;
  double moment_ = 0.5;
};

PluginEntry keeper(std::vector<Seen>& seen) {
  return {.kind = "trainer", .name = "example", .doc = "Keeps.", .make = [&seen] { return std::make_unique<Keeper>(seen); }, .library = ""};
}

const std::vector<std::string> kTrained{"samples", "scores", "best", "tuned"};

TEST(TrainerInput, HasTheSelectedTrajectoriesWithScoresConditionsAndNoise) {
  std::vector<Seen> trainings;
  ToyPipeline pipeline({}, {keeper(trainings)});
  const auto record = pipeline.run(kTrained, {"samples.record_steps=[4, 1]"});
  ASSERT_EQ(trainings.size(), 1U);
  const auto& seen = trainings.front();
  const auto& all = record.scores.front().score;
  ASSERT_EQ(seen.index.size(), 16U);  // the better half of 32
  EXPECT_TRUE(std::is_sorted(seen.index.begin(), seen.index.end()));
  for (std::size_t i = 0; i < seen.index.size(); ++i) {
    EXPECT_EQ(seen.score[i], all[static_cast<std::size_t>(seen.index[i])]);
    EXPECT_EQ(seen.condition[i], seen.index[i] % 8);
  }
  EXPECT_TRUE(at::equal(seen.noise.at("sample"), seen.recorded_noise.at("sample"))) << "the noise made again is the one that was sampled";
  EXPECT_TRUE(seen.has_context);
}

TEST(TrainerInput, HasTheSamplersOptions) {
  std::vector<Seen> trainings;
  ToyPipeline pipeline({}, {keeper(trainings)});
  pipeline.run(kTrained, {"samples.record_steps=[4]"});
  const auto& sampling = trainings.front().sampling;
  EXPECT_EQ(sampling.sampler, "sampler.example");
  EXPECT_EQ(sampling.phase.grid.num_steps(), 4);
  ASSERT_EQ(sampling.phase.segments.size(), 1U);
  EXPECT_EQ(sampling.phase.segments.front().first, 4);
  EXPECT_NE(sampling.solver, nullptr);
  EXPECT_EQ(sampling.number("trainer.example", "num_inference_steps"), 4);
  EXPECT_THAT([&] { sampling.number("trainer.example", "eta"); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("trainer.example"), HasSubstr("`eta`"), HasSubstr("num_inference_steps"))));
}

TEST(TrainerInput, HasWhatTheTrainerOfItsModelHandedOnWhichEntersItsKey) {
  std::vector<Seen> trainings;
  ToyPipeline pipeline({}, {keeper(trainings)});
  auto tags = kTrained;
  tags.emplace_back("tuned_again");
  const std::string recorded = "samples.record_steps=[4]";
  pipeline.run(tags, {recorded});
  ASSERT_EQ(trainings.size(), 2U);
  EXPECT_TRUE(trainings[0].state.empty());
  EXPECT_TRUE(at::equal(trainings[1].state.at("moment"), at::full({2}, 0.5)));
  pipeline.run(tags, {recorded});
  EXPECT_EQ(trainings.size(), 2U) << "both models are in the cache";
  pipeline.run(tags, {recorded, "tuned.moment=0.25"});  // the same weights, another state
  ASSERT_EQ(trainings.size(), 4U);
  EXPECT_TRUE(at::equal(trainings[3].state.at("moment"), at::full({2}, 0.25)));
  pipeline.run(tags, {recorded, "tuned.moment=0.0"});
  ASSERT_EQ(trainings.size(), 6U);
  EXPECT_TRUE(trainings[5].state.empty());
}

// As the toy reward, by one thread in batches of three.
class Careful final : public Reward {
 public:
  struct Calls {
    std::mutex mutex;
    std::vector<std::int64_t> sizes;
    std::set<std::thread::id> threads;
    bool has_context = false;
  };
  explicit Careful(Calls& calls) : calls_(calls) {}
  void open(const RewardContext& context) override { calls_.has_context = context.stage.stop && context.stage.progress; }
  int own_threads() const override { return 1; }
  std::int64_t batch_size() const override { return 3; }
  at::Tensor score(const RewardInput& input) const override {
    const std::lock_guard lock(calls_.mutex);
    const auto score = input.sample.tensors.at("image").mean({1, 2, 3});
    EXPECT_EQ(input.text.size(), static_cast<std::size_t>(score.size(0)));
    EXPECT_EQ(input.metadata.size(), static_cast<std::size_t>(score.size(0)));
    calls_.sizes.push_back(score.size(0));
    calls_.threads.insert(std::this_thread::get_id());
    return score;
  }

 private:
  Calls& calls_;
};

TEST(Scoring, HonoursOneThreadAndTheBatchSizeWithTheSameScores) {
  Careful::Calls calls;
  const PluginEntry careful{
      .kind = "reward", .name = "example", .doc = "Careful.", .make = [&calls] { return std::make_unique<Careful>(calls); }, .library = ""};
  ToyPipeline usual, one_thread({}, {careful});
  const auto expected = usual.run({"samples", "scores"}).scores.front().score;
  EXPECT_EQ(one_thread.run({"samples", "scores"}).scores.front().score, expected);
  EXPECT_EQ(calls.threads.size(), 1U);
  EXPECT_TRUE(calls.has_context);
  EXPECT_THAT(calls.sizes, ElementsAre(3, 3, 2, 3, 3, 2, 3, 3, 2, 3, 3, 2));  // four blocks of 8
}

}  // namespace
}  // namespace espalier::exec
