#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <map>

#include "plugins/shared/layout/feature_network.h"
#include "plugins/shared/layout/test_domain.h"
#include "plugins/trainer/layout_features/page_stream.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::layout {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const conformance::Options kFew = {{"max_train_steps", 8}, {"train_batch_size", 6},    {"width", 8},
                                   {"layers", 1},          {"checkpointing_steps", 3}, {"logging_steps", 5}};
constexpr random::StreamKey kKey = {7, random::Purpose::training, 0, 0};

class NoCheckpoints final : public Checkpoints {
 public:
  std::optional<Checkpoint> newest() override { return std::nullopt; }
  void save(const Checkpoint&) override {}
};

class Curves final : public CurveLog {
 public:
  void scalar(const std::string& name, std::int64_t step, double value) override { points[name][step] = value; }
  std::map<std::string, std::map<std::int64_t, double>> points;
};

class LayoutFeatures : public ::testing::Test {
 protected:
  Model train(const conformance::Options& options, const Domain& domain, const Model& from = {}) {
    NoCheckpoints checkpoints;
    const auto trainer = conformance::make<Trainer>(conformance::plugin("trainer.layout_features"), options);
    return trainer->train({domain, from, nullptr, 7, StageContext(), checkpoints, curves_}).model;
  }
  Curves curves_;
  TestDomain domain_;
};

TEST_F(LayoutFeatures, Conforms) {
  conformance::check_trainer(conformance::plugin("trainer.layout_features"), kFew, conformance::TrainsOn::examples, TestDomain(10), {});
}

TEST_F(LayoutFeatures, TakesALayoutNetworkOrNoModel) {
  const auto model = conformance::inputs_of(conformance::plugin("trainer.layout_features")).at("model");
  EXPECT_EQ(model.of, kFeaturesRole);
  EXPECT_FALSE(model.required);
}

TEST_F(LayoutFeatures, ConformsWhenItGoesOnFromALayoutNetwork) {
  const auto start = train(kFew, domain_);
  conformance::check_trainer(conformance::plugin("trainer.layout_features"), kFew, conformance::TrainsOn::examples, domain_, start);
  auto wider = kFew;
  wider["width"] = 12;
  EXPECT_THAT([&] { train(wider, domain_, start); }, ThrowsMessage<ConfigError>(HasSubstr("these options and examples need")));
}

TEST_F(LayoutFeatures, LearnsToTellRealPagesFromPerturbedOnes) {
  const auto model =
      train({{"max_train_steps", 150}, {"train_batch_size", 32}, {"width", 32}, {"layers", 1}, {"learning_rate", 3e-3}}, domain_);
  EXPECT_GT(curves_.points.at("accuracy").at(150), 0.8);
  EXPECT_LT(curves_.points.at("map_loss").at(150), 0.75 * curves_.points.at("map_loss").at(50));
  EXPECT_EQ(model.info.role, kFeaturesRole);
  const auto config = FeatureConfig::from_value(model.info.architecture, "test");
  EXPECT_EQ(config.classes, 5);
  EXPECT_NO_THROW(check_features(config, model.weights, "test"));
  EXPECT_EQ(model.info.digest, digest_weights(model.weights));
}

TEST_F(LayoutFeatures, EverySecondPageIsPerturbed) {
  const TestDomain finite(3);
  const PageStream stream(finite, "train", 0.05, kKey);
  const auto batch = stream.at(4, 6);
  EXPECT_TRUE(at::equal(batch.real, at::tensor({1.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.0F})));
  const auto real = samples_of(finite, finite.data().examples("train")->at({0, 1, 2}));
  for (std::int64_t row = 0; row < 6; ++row) {
    bool found = false, same_classes = false;
    for (std::int64_t page = 0; page < 3; ++page) {
      if (!at::equal(batch.class_index[row], real.tensors.at("class")[page])) continue;
      const auto present = batch.class_index[row].ge(0).unsqueeze(-1);
      const double moved = ((batch.box[row] - real.tensors.at("box")[page]) * present).abs().max().item<double>();
      same_classes = true;
      found = found || (row % 2 == 0 ? moved < 1e-6 : moved > 0.01 && moved < 0.5);
    }
    EXPECT_TRUE(same_classes && found) << "row " << row;
  }
  EXPECT_TRUE(at::equal(batch.box, stream.at(4, 6).box));
  EXPECT_FALSE(at::equal(batch.box, stream.at(5, 6).box));
}

TEST_F(LayoutFeatures, ReportsWhatItNeeds) {
  const auto toy = conformance::toy_domain();
  EXPECT_THAT([&] { train(kFew, *toy); }, ThrowsMessage<ConfigError>(HasSubstr("the domain's are of kind 'image'")));
  auto odd = kFew;
  odd["width"] = 10;
  EXPECT_THAT([&] { train(odd, domain_); }, ThrowsMessage<ConfigError>(HasSubstr("multiple of 4")));
}

}  // namespace
}  // namespace espalier::layout
