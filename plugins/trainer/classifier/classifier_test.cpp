#include <ATen/ops/allclose.h>
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "plugins/shared/classifier/network.h"
#include "plugins/trainer/classifier/labelled_images.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::classifier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const conformance::Options kFew = {
    {"max_train_steps", 12}, {"train_batch_size", 8}, {"width", 4}, {"checkpointing_steps", 5}, {"logging_steps", 5}};

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

class ClassifierTraining : public ::testing::Test {
 protected:
  Model train(conformance::Options options, const Model& from = {}, std::uint64_t seed = 7) {
    NoCheckpoints checkpoints;
    const auto trainer = conformance::make<Trainer>(conformance::plugin("trainer.classifier"), options);
    return trainer->train({*domain_, from, nullptr, seed, StageContext(), checkpoints, curves_}).model;
  }
  static conformance::Options with(conformance::Options options, const std::string& name, Value value) {
    options[name] = std::move(value);
    return options;
  }
  std::unique_ptr<Domain> domain_ = conformance::toy_domain();
  Curves curves_;
};

// The toy domain with other metadata.
class Relabelled : public conformance::ForwardingDomain {
 public:
  explicit Relabelled(std::vector<Value> metadata) : metadata_(std::move(metadata)) {}
  std::vector<std::string> splits() const override { return {"train"}; }
  Conditions conditions(const std::string& split) const override {
    auto conditions = ForwardingDomain::conditions(split).first(static_cast<std::int64_t>(metadata_.size()));
    conditions.metadata = metadata_;
    return conditions;
  }

 private:
  std::vector<Value> metadata_;
};

Value labelled(std::int64_t label, const std::string& name) { return Value::Map{{"label", label}, {"class", name}}; }

TEST_F(ClassifierTraining, Conforms) {
  conformance::check_trainer(conformance::plugin("trainer.classifier"), kFew, conformance::TrainsOn::examples, *domain_, {});
}

TEST_F(ClassifierTraining, ConformsWhenItGoesOnFromAClassifier) {
  const auto start = train(kFew);
  conformance::check_trainer(conformance::plugin("trainer.classifier"), kFew, conformance::TrainsOn::examples, *domain_, start);
}

TEST_F(ClassifierTraining, LearnsTheToyWorldAndReportsItsAccuracy) {
  const auto model =
      train({{"max_train_steps", 60}, {"train_batch_size", 16}, {"width", 8}, {"learning_rate", 1e-2}, {"validation", "held_out"}});
  EXPECT_GT(curves_.points.at("validation_accuracy").at(60), 0.99);
  EXPECT_LT(curves_.points.at("loss").at(60), 0.2);
  EXPECT_GT(curves_.points.at("accuracy").at(60), 0.95);
  EXPECT_EQ(model.info.role, kRole);
  const auto config = Config::from_value(model.info.architecture, "test");
  EXPECT_THAT(config.class_names, ElementsAre("left", "right"));
  EXPECT_THAT(config.channels, ElementsAre(8, 16, 32));
  EXPECT_NO_THROW(check(config, model.weights, "test"));
  EXPECT_EQ(model.info.digest, digest_weights(model.weights));
}

TEST_F(ClassifierTraining, TheMeansOfACurveAreOverTheStepsSinceTheLastPoint) {
  train(with(kFew, "logging_steps", 1));
  const auto each = curves_.points.at("loss");
  curves_.points.clear();
  train(kFew);
  const auto& means = curves_.points.at("loss");
  ASSERT_EQ(means.size(), 3U);  // at 5, 10 and the last, 12
  EXPECT_NEAR(means.at(5), (each.at(1) + each.at(2) + each.at(3) + each.at(4) + each.at(5)) / 5.0, 1e-6);
  EXPECT_NEAR(means.at(12), (each.at(11) + each.at(12)) / 2.0, 1e-6);
}

// The toy world's even examples are all "left", its odd ones all "right".
TEST_F(ClassifierTraining, HalvesShareNoImage) {
  const LabelledImages even(*domain_, "train", "even", {}), odd(*domain_, "train", "odd", {}), all(*domain_, "train", "all", {});
  const auto left = even.at({0, 1, 2}), right = odd.at({0, 1, 2}), both = all.at({0, 1, 2, 3, 4, 5});
  EXPECT_EQ(left.label.sum().item<std::int64_t>(), 0);
  EXPECT_EQ(right.label.sum().item<std::int64_t>(), 3);
  EXPECT_TRUE(left.image.equal(both.image.slice(0, 0, 6, 2)));
  EXPECT_TRUE(right.image.equal(both.image.slice(0, 1, 6, 2)));
}

// Five images whose label is their number, followed by copies of all.
class Copied final : public Examples {
 public:
  std::int64_t size() const override { return 10; }
  std::int64_t distinct() const override { return 5; }
  Hex digest() const override { return sha256("copied"); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    auto batch = conformance::toy_domain()->data().examples("train")->at(positions);
    for (std::size_t row = 0; row < positions.size(); ++row) {
      batch.condition.metadata[row] = Value::Map{{"label", static_cast<std::int64_t>(positions[row] % 5)}};
    }
    return batch;
  }
};

TEST_F(ClassifierTraining, HalvesShareNoCopyOfAnImage) {
  class CopiedDomain final : public Relabelled {
   public:
    CopiedDomain() : Relabelled(std::vector<Value>()) {}
    std::unique_ptr<Examples> examples(const std::string&) const override { return std::make_unique<Copied>(); }
  } const domain;
  const auto seen = [&](const std::string& part) {
    const LabelledImages images(domain, "train", part, {});
    const auto label = images.in_order(0, images.size()).label;
    std::multiset<std::int64_t> labels;
    for (std::int64_t i = 0; i < label.size(0); ++i) labels.insert(label[i].item<std::int64_t>());
    return labels;
  };
  EXPECT_THAT(seen("even"), ElementsAre(0, 0, 2, 2, 4, 4));
  EXPECT_THAT(seen("odd"), ElementsAre(1, 1, 3, 3));
  EXPECT_THAT(seen("all"), ElementsAre(0, 0, 1, 1, 2, 2, 3, 3, 4, 4));
}

TEST_F(ClassifierTraining, TheHalvesClassifiersStartFromOtherWeights) {
  const auto barely = with(with(kFew, "max_train_steps", 1), "learning_rate", 1e-12);
  const auto even = train(with(barely, "part", "even")), odd = train(with(barely, "part", "odd"));
  EXPECT_FALSE(at::allclose(even.weights.at("conv.0.weight"), odd.weights.at("conv.0.weight"), 0.0, 1e-3));
}

TEST_F(ClassifierTraining, TakesAClassifierOrNoModel) {
  const auto model = conformance::inputs_of(conformance::plugin("trainer.classifier")).at("model");
  EXPECT_EQ(model.of, kRole);
  EXPECT_FALSE(model.required);
}

TEST_F(ClassifierTraining, RefusesWhatItCannotGoOnFrom) {
  const auto small = train(kFew);
  EXPECT_THAT([&] { train(with(kFew, "width", 8), small); }, ThrowsMessage<ConfigError>(HasSubstr("these options and examples need")));
}

TEST(ClassNames, AreTheLabelsNamesInOrder) {
  EXPECT_THAT(class_names(Relabelled({labelled(1, "shoe"), labelled(0, "bag"), labelled(1, "shoe")})), ElementsAre("bag", "shoe"));
}

TEST(ClassNames, AreRefusedWhereTheyAreNot) {
  const auto names = [](const std::vector<Value>& metadata) { return class_names(Relabelled(metadata)); };
  EXPECT_THAT([&] { names({Value::Map{{"colours", 3}}}); }, ThrowsMessage<ConfigError>(HasSubstr("'left 0' has no fact 'label'")));
  EXPECT_THAT([&] { names({labelled(0, "bag"), Value::Map{{"label", 1}}}); }, ThrowsMessage<ConfigError>(HasSubstr("no fact 'class'")));
  EXPECT_THAT([&] { names({labelled(0, "bag"), labelled(0, "shoe")}); }, ThrowsMessage<ConfigError>(HasSubstr("both 'bag' and 'shoe'")));
  EXPECT_THAT([&] { names({labelled(0, "bag"), labelled(2, "shoe")}); }, ThrowsMessage<ConfigError>(HasSubstr("none is 1")));
  EXPECT_THAT([&] { names({labelled(0, "bag")}); }, ThrowsMessage<ConfigError>(HasSubstr("at least two classes")));
}

}  // namespace
}  // namespace espalier::classifier
