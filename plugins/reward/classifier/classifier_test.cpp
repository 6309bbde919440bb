#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <cmath>

#include "plugins/shared/classifier/network.h"
#include "runtime/base/errors.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const classifier::Config kConfig{1, {4, 8}, {"dark", "bright", "odd"}};

std::shared_ptr<Model> fresh_classifier() {
  auto model = std::make_shared<Model>();
  model->weights = classifier::initialize(kConfig, 3);
  model->info.role = classifier::kRole;
  model->info.architecture = kConfig.to_value();
  model->info.digest = digest_weights(model->weights);
  return model;
}

conformance::RewardSamples samples() {
  conformance::RewardSamples samples;
  const at::Tensor image = at::arange(6 * 64, at::kFloat).reshape({6, 1, 8, 8}).div(6.0 * 64.0);
  samples.sample = {"image", {{"image", image}}, {}};
  for (std::int64_t i = 0; i < 6; ++i) {
    Value metadata;
    metadata["label"] = i % 3;
    metadata["class"] = kConfig.class_names[static_cast<std::size_t>(i % 3)];
    samples.metadata.push_back(metadata);
    samples.text.push_back(kConfig.class_names[static_cast<std::size_t>(i % 3)]);
  }
  return samples;
}

class ClassifierReward : public ::testing::Test {
 protected:
  std::unique_ptr<Reward> make() const { return conformance::make<Reward>(conformance::plugin("reward.classifier")); }
  at::Tensor score(const Reward& reward, const conformance::RewardSamples& given) const {
    return reward.score({given.sample, given.metadata, given.text});
  }
  std::unique_ptr<Domain> domain_ = conformance::toy_domain();
};

TEST_F(ClassifierReward, Conforms) {
  conformance::check_reward(conformance::plugin("reward.classifier"), {}, samples(), {*domain_, fresh_classifier()});
}

TEST_F(ClassifierReward, IsTheProbabilityOfThePromptedClass) {
  const auto model = fresh_classifier();
  for (auto& [name, tensor] : model->weights) tensor.zero_();
  model->weights.at("linear.bias")[1] = std::log(2.0);  // probabilities 1/4, 2/4, 1/4 whatever the image
  const auto reward = make();
  reward->open({*domain_, model});
  const at::Tensor scores = score(*reward, samples());
  for (std::int64_t i = 0; i < 6; ++i) EXPECT_NEAR(scores[i].item<double>(), i % 3 == 1 ? 0.5 : 0.25, 1e-6);
}

TEST_F(ClassifierReward, TakesAClassifier) {
  const auto model = conformance::inputs_of(conformance::plugin("reward.classifier")).at("model");
  EXPECT_EQ(model.of, classifier::kRole);
  EXPECT_TRUE(model.required);
}

TEST_F(ClassifierReward, ReportsWhatItNeeds) {
  const auto reward = make();
  const auto foreign = fresh_classifier();
  foreign->weights.erase("linear.bias");
  EXPECT_THAT([&] { reward->open({*domain_, foreign}); }, ThrowsMessage<DataError>(HasSubstr("linear.bias")));
  reward->open({*domain_, fresh_classifier()});
  auto given = samples();
  given.metadata[2]["class"] = "red";
  EXPECT_THAT([&] { score(*reward, given); }, ThrowsMessage<StageError>(HasSubstr("label 2 is 'red' here, but 'odd'")));
  given.metadata[2] = Value::Map{{"label", 3}};
  EXPECT_THAT([&] { score(*reward, given); }, ThrowsMessage<StageError>(HasSubstr("knows 3 classes")));
  given.metadata[2] = Value::Map{{"colours", 3}};
  EXPECT_THAT([&] { score(*reward, given); }, ThrowsMessage<StageError>(HasSubstr("no fact 'label'")));
  given = samples();
  given.sample.tensors["image"] = at::full({6, 3, 8, 8}, 0.5);
  EXPECT_THAT([&] { score(*reward, given); }, ThrowsMessage<StageError>(HasSubstr("[B, 1, H, W]")));
}

}  // namespace
}  // namespace espalier
