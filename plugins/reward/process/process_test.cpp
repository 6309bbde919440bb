#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>

#include <cmath>

#include "plugins/shared/program/test_programs.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using program::named_in;
using program::runs;
using program::Scratch;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr const char* kReward = "reward.process";

Options options(const std::string& how, const std::string& file = "", Options others = {}) {
  const auto command = program::test_command(how, file);
  others["command"] = Value::List(command.begin(), command.end());
  others["identity"] = "test 1";
  return others;
}

// Five images with integers for pixels, so that sums are exact.
RewardSamples samples() {
  RewardSamples samples;
  samples.sample.kind = "image";
  samples.sample.tensors["image"] = at::arange(5 * 3 * 8 * 8, at::kFloat).view({5, 3, 8, 8});
  samples.sample.tensors["label"] = at::arange(5, at::kLong);
  samples.sample.strings["name"] = {"a", "bc", "", "d", "efgh"};
  for (int i = 0; i < 5; ++i) samples.metadata.emplace_back(Value::Map{{"label", i}});
  samples.text = {"left 0", "right 1", "left 2", "right 3", "left 400"};
  return samples;
}

// The sum of a sample's numbers and of its texts' lengths, which test_program.py computes from what it is sent.
at::Tensor expected_sums(const RewardSamples& samples) {
  const at::Tensor lengths = at::arange(5, at::kDouble);
  for (std::size_t i = 0; i < 5; ++i)
    lengths[static_cast<std::int64_t>(i)] = static_cast<double>(samples.sample.strings.at("name")[i].size());
  return samples.sample.tensors.at("image").to(at::kDouble).flatten(1).sum(1) + samples.sample.tensors.at("label") + lengths;
}

std::unique_ptr<Reward> opened(const Options& options, const StageContext& stage = {}) {
  static const auto domain = toy_domain();
  auto reward = make<Reward>(plugin(kReward), options);
  reward->check();
  reward->open({*domain, nullptr, stage});
  return reward;
}

at::Tensor scores(const Options& options, const StageContext& stage = {}) {
  const auto all = samples();
  return opened(options, stage)->score({all.sample, all.metadata, all.text, {7, 8, 9, 10, 12}});
}

TEST(Process, Conforms) {
  check_reward(plugin(kReward), options("right"), samples());
  check_reward(plugin(kReward), options("right", "", {{"workers", 2}, {"send", Value::List{"png", "label"}}}), samples());
}

TEST(Process, ScoresTensorsAndStrings) { EXPECT_TRUE(at::equal(scores(options("right")), expected_sums(samples()))); }

TEST(Process, ScoresImagesAsFiles) {
  const auto all = samples();
  const auto found = scores(options("right", "", {{"send", Value::List{"png"}}}));
  const auto drawn = toy_domain()->codec(nullptr)->draw(all.sample);
  for (std::size_t i = 0; i < 5; ++i) {
    double sum = 0.0;
    for (const char byte : encode_png(drawn[i])) sum += static_cast<unsigned char>(byte);
    EXPECT_EQ(found[static_cast<std::int64_t>(i)].item<double>(), sum);
  }
}

TEST(Process, SendsNumbersPromptsAndMetadata) {
  const auto found = scores(options("index"));  // the number, the prompt's length and the label
  EXPECT_EQ(std::vector<double>(found.const_data_ptr<double>(), found.const_data_ptr<double>() + 5),
            (std::vector<double>{7 + 6 + 0, 8 + 7 + 1, 9 + 6 + 2, 10 + 7 + 3, 12 + 8 + 4}));
}

TEST(Process, SendsWhatIsNamedAlone) {
  EXPECT_EQ(scores(options("sizes", "", {{"send", Value::List{"label"}}}))[0].item<double>(), 5 * 8);
  EXPECT_EQ(scores(options("sizes"))[0].item<double>(), 5 * 8 + 5 * 3 * 8 * 8 * 4);
}

TEST(Process, PassesOnWhatIsNoScore) {
  const auto found = scores(options("nan"));
  EXPECT_TRUE(std::isnan(found[0].item<double>()));
  EXPECT_EQ(found[1].item<double>(), INFINITY);
  EXPECT_EQ(found[2].item<double>(), -INFINITY);
}

TEST(Process, TakesNoWrongAnswerForScores) {
  for (const auto& [how, message] :
       std::vector<std::pair<std::string, std::string>>{{"other_batch", R"(answered "batch": 1 in `scores`, where 0 is due)"},
                                                        {"other_count", R"(answered "count": 6 in `scores`, where 5 is due)"},
                                                        {"more_numbers", "announced a payload of 48 bytes, but that of `scores` has 40"},
                                                        {"announces_2_gb", "announced a payload of 2147483648 bytes"},
                                                        {"long_header", "announced a header of 67108865 bytes"},
                                                        {"other_type", R"(where the type "scores" is due)"},
                                                        {"no_json", "not valid JSON"},
                                                        {"answers_twice", "after its answer `scores`, where nothing is due"},
                                                        {"prints", "wrote \"loading the model\" to its standard output"},
                                                        {"crashes", "ended with exit status 3"},
                                                        {"is_killed", "was ended by signal 9"}}) {
    EXPECT_THAT([&] { scores(options(how)); }, ThrowsMessage<StageError>(AllOf(HasSubstr(message), HasSubstr("two programs failed"))))
        << how;
  }
}

// On a busy machine the answer that is late may be the first.
TEST(Process, DoesNotWaitForALateAnswer) {
  for (const auto* how : {"is_silent", "is_late"}) {
    EXPECT_THAT([&] { scores(options(how, "", {{"timeout_seconds", 0.7}})); },
                ThrowsMessage<StageError>(AllOf(HasSubstr("did not answer `"), HasSubstr("` within timeout_seconds = 0.7"))));
  }
}

TEST(Process, ScoresABatchAgainThatAProgramFailedAt) {
  const Scratch scratch;
  EXPECT_TRUE(at::equal(scores(options("crashes_once", scratch.file("marker"))), expected_sums(samples())));
}

TEST(Process, IsRefusedByItsIdentityBeforeItScores) {
  EXPECT_THAT([] { opened(options("other_identity")); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("reward.process: "), HasSubstr("\"other\""), HasSubstr("\"test 1\""))));
}

TEST(Process, StopsWhileItWaits) {
  const program::StopsSoon stop;
  EXPECT_THROW(scores(options("is_silent"), {.stop = &stop}), Stopped);
}

TEST(Process, LeavesNoChildWhenTheRunEnds) {
  const Scratch scratch;
  scores(options("leaves_children", scratch.file("children")));
  ASSERT_EQ(named_in(scratch.file("children")).size(), 3u);
  for (const auto& child : named_in(scratch.file("children"))) EXPECT_FALSE(runs(child));
}

// One model in memory for all stages that score by it.
TEST(Process, SharesItsProgramWithOtherStages) {
  const auto all = samples();
  const auto first = opened(options("process")), second = opened(options("process", "", {{"send", Value::List{"label"}}}));
  const auto score = [&](const Reward& reward) {
    return reward.score({all.sample, all.metadata, all.text, {7, 8, 9, 10, 12}})[0].item<double>();
  };
  EXPECT_EQ(score(*first), score(*second));
  EXPECT_NE(score(*first), score(*opened(options("process", "", {{"restart_limit", 7}}))));
}

TEST(Process, StartsNoProgramToStateItsIdentity) {
  auto missing = options("right");
  missing["command"] = Value::List{"no-such-program-at-all"};
  const auto reward = make<Reward>(plugin(kReward), missing);
  reward->check();
  EXPECT_EQ(reward->identity(), Value());
  EXPECT_EQ(reward->own_threads(), 1);
  EXPECT_EQ(make<Reward>(plugin(kReward), options("right", "", {{"workers", 3}}))->own_threads(), 3);
}

}  // namespace
}  // namespace espalier::conformance
