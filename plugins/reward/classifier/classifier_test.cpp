#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>

#include "plugins/shared/classifier/network.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/safetensors.h"
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
  std::unique_ptr<Reward> make(const conformance::Options& options = {}) const {
    return conformance::make<Reward>(conformance::plugin("reward.classifier"), options);
  }
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

TEST_F(ClassifierReward, AFolderGivesTheSameScoresAsAStage) {
  const auto model = fresh_classifier();
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / ("espalier-" + unique_name());
  std::filesystem::create_directories(folder);
  write_durable(folder / "config.json", to_json(kConfig.to_value()));
  write_durable(folder / "model.safetensors", modelfile::format_safetensors(model->weights));
  const auto by_stage = make();
  by_stage->open({*domain_, model});
  const auto by_folder = make({{"model", folder.string()}});
  EXPECT_EQ(by_folder->identity().at("weights").as_string(), model->info.digest);
  by_folder->open({*domain_, nullptr});
  EXPECT_TRUE(score(*by_folder, samples()).equal(score(*by_stage, samples())));
  EXPECT_THAT([&] { by_folder->open({*domain_, model}); }, ThrowsMessage<ConfigError>(HasSubstr("both")));
  std::filesystem::remove_all(folder);
}

TEST_F(ClassifierReward, ReportsWhatItNeeds) {
  const auto reward = make();
  EXPECT_THAT([&] { reward->open({*domain_, nullptr}); }, ThrowsMessage<ConfigError>(HasSubstr("trainer.classifier")));
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
