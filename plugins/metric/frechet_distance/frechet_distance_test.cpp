#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "plugins/shared/classifier/network.h"
#include "plugins/shared/frechet/distances.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/memory_view.h"
#include "tests/conformance/toy.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const classifier::Config kConfig{3, {4, 6}, {"left", "right"}};

std::shared_ptr<Model> fresh_classifier() {
  auto model = std::make_shared<Model>();
  model->weights = classifier::initialize(kConfig, 3);
  model->info.role = classifier::kRole;
  model->info.architecture = kConfig.to_value();
  return model;
}

struct Drawn {
  std::string tag;
  at::Tensor rows;
  double flops;
};

class FrechetDistance : public ::testing::Test {
 protected:
  at::Tensor real(std::uint64_t first, std::uint64_t count, const std::string& split = "train") const {
    std::vector<std::uint64_t> positions;
    for (std::uint64_t i = first; i < first + count; ++i) positions.push_back(i);
    return domain_->codec(nullptr)->encode(domain_->data().examples(split)->at(positions).sample, {}).at("sample");
  }
  MetricInput input(const std::vector<Drawn>& samples) const {
    MetricInput result;
    result.key = {5, random::Purpose::evaluation};
    for (const auto& set : samples) {
      result.samples.push_back(conformance::memory_view(set.tag, {{0, {{"sample", set.rows}}}}, domain_->codec(nullptr), set.flops));
    }
    result.model = fresh_classifier();
    result.domain = domain_.get();
    return result;
  }
  Findings measure(const MetricInput& input, const conformance::Options& options = {{"count", 80}}) const {
    return conformance::make<Metric>(conformance::plugin("metric.frechet_distance"), options)->measure(input);
  }
  // By hand, as the header of image_features.h defines it.
  at::Tensor features(const at::Tensor& sample) const {
    const auto image = ((sample + 1.0) * 0.5 * 255.0).round().clamp(0.0, 255.0) / 255.0;
    return classifier::features(kConfig, fresh_classifier()->weights, image).to(at::kDouble);
  }
  std::map<std::string, double> values(const Findings& findings) const {
    std::map<std::string, double> result;
    for (const auto& [name, value, low, high, interval, count, about] : findings.scalars) {
      result[(about.split.empty() ? name : "data_" + name) + (about.stage.empty() ? "" : "." + about.stage)] = value;
    }
    return result;
  }
  std::unique_ptr<Domain> domain_ = conformance::toy_domain();
};

TEST_F(FrechetDistance, Conforms) {
  const auto samples = input({{"few_steps", real(0, 70), 1e6}, {"many_steps", real(0, 130) * 0.9, 4e6}});
  conformance::check_metric(conformance::plugin("metric.frechet_distance"), {{"count", 100}}, samples);
  conformance::check_metric(conformance::plugin("metric.frechet_distance"),
                            {{"count", 40}, {"split", "train"}, {"series", Value::List{"base", "corrected"}}}, samples);
}

TEST_F(FrechetDistance, IsTheDistanceOfTheRoundedImagesFeatures) {
  const auto sample = real(0, 70) * 0.8;
  const auto found = values(measure(input({{"drawn", sample, 2e6}})));
  const auto x = features(sample), y = features(real(0, 80, "held_out"));
  EXPECT_NEAR(found.at("frechet_distance.drawn"), frechet_distance::frechet_distance(x, y), 1e-9);
  std::vector<std::int64_t> order;  // the toy domain has several conditions
  for (std::uint64_t i = 0; i < 70; ++i) {
    order.push_back(static_cast<std::int64_t>(random::shuffled_index({5, random::Purpose::evaluation}, 1, 70, i)));
  }
  const auto drawn = x.index_select(0, at::tensor(order, at::kLong));
  EXPECT_NEAR(found.at("kernel_distance.drawn"), frechet_distance::kernel_distance_in_subsets(drawn, y).value, 1e-9);
  EXPECT_EQ(found.at("flops_per_image.drawn"), 2e6);
  EXPECT_NEAR(found.at("frechet_distance_of_real_halves"), frechet_distance::frechet_distance(y.narrow(0, 0, 40), y.narrow(0, 40, 40)),
              1e-9);
}

TEST_F(FrechetDistance, IsLargerForDarkImagesThanForRealOnes) {
  const auto found = values(measure(input({{"real", real(100, 200), 1e6}, {"dark", real(100, 200) - 0.4, 1e6}})));
  EXPECT_LT(found.at("frechet_distance.real"), 0.05 * found.at("frechet_distance.dark"));
  EXPECT_LT(found.at("kernel_distance.real"), 0.05 * found.at("kernel_distance.dark"));
  EXPECT_LT(found.at("frechet_distance_of_real_halves"), 0.05 * found.at("frechet_distance.dark"));
}

// Half of the samples dark: over all pairs a quarter of the dark ones' distance, but a half where whole runs are dark or none.
TEST_F(FrechetDistance, KernelRunsAreFairSamplesOfSortedPrompts) {
  const auto sorted = at::cat({real(100, 200) - 0.4, real(300, 200)});
  const auto found = values(measure(input({{"sorted", sorted, 1e6}})));
  const double whole = frechet_distance::kernel_distance(features(sorted), features(real(0, 80, "held_out")));
  EXPECT_NEAR(found.at("kernel_distance.sorted"), whole, 0.6 * whole);
}

// Few images, followed by their mirror images.
class Mirrored final : public Examples {
 public:
  explicit Mirrored(std::uint64_t images) : images_(images) {}
  std::int64_t size() const override { return 2 * distinct(); }
  std::int64_t distinct() const override { return static_cast<std::int64_t>(images_); }
  Hex digest() const override { return sha256("mirrored"); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    auto plain = positions;
    for (auto& position : plain) position %= images_;
    auto batch = toy_->data().examples("train")->at(plain);
    auto& image = batch.sample.tensors["image"];
    for (std::size_t row = 0; row < positions.size(); ++row) {
      const auto turned = static_cast<std::int64_t>(row);
      if (positions[row] >= images_) image[turned].copy_(image[turned].flip({2}).clone());
    }
    return batch;
  }

 private:
  std::unique_ptr<Domain> toy_ = conformance::toy_domain();
  std::uint64_t images_;
};

class MirroredDomain final : public conformance::ForwardingDomain {
 public:
  std::unique_ptr<Examples> examples(const std::string&) const override { return std::make_unique<Mirrored>(40); }
};

TEST_F(FrechetDistance, LeavesMirrorImagesOfRealImagesOut) {
  const MirroredDomain mirrored;
  auto samples = input({{"drawn", real(60, 70), 1e6}});
  samples.domain = &mirrored;
  const double expected = frechet_distance::frechet_distance(features(real(60, 70)), features(real(0, 40)));
  EXPECT_NEAR(values(measure(samples, {{"split", "train"}})).at("frechet_distance.drawn"), expected, 1e-9);
  EXPECT_THAT([&] { measure(samples, {{"split", "train"}, {"count", 41}}); }, ThrowsMessage<ConfigError>(HasSubstr("has 40 images")));
}

TEST_F(FrechetDistance, DrawsEachSeriesByAscendingFlops) {
  const auto rows = real(0, 40);
  const auto samples = input({{"b50", rows, 5e6}, {"c5", rows * 0.9, 1e6}, {"b10", rows * 0.8, 1e6}});
  const auto findings = measure(samples, {{"count", 40}, {"series", Value::List{"base", "corrected", "base"}}});
  ASSERT_EQ(findings.charts.size(), 2U);
  for (const auto& chart : findings.charts) {
    EXPECT_TRUE(chart.log_x);
    ASSERT_EQ(chart.series.size(), 2U);
    EXPECT_EQ(chart.series[0].name, "base");
    EXPECT_THAT(chart.series[0].x, ElementsAre(1e6, 5e6));
    EXPECT_THAT(chart.series[1].x, ElementsAre(1e6));
    const auto found = values(findings);
    EXPECT_THAT(chart.series[0].y, ElementsAre(found.at(chart.name + ".b10"), found.at(chart.name + ".b50")));
  }
  EXPECT_TRUE(findings.charts[0].series[0].low.empty());
  EXPECT_EQ(findings.charts[1].series[0].low.size(), 2U);
}

TEST_F(FrechetDistance, DependsOnTheRealImages) {
  const auto of = [&](const std::string& split) {
    return conformance::make<Metric>(conformance::plugin("metric.frechet_distance"), {{"split", split}})->identity(*domain_);
  };
  EXPECT_NE(of("train"), of("held_out"));
  EXPECT_EQ(of("train").at("examples").as_string(), domain_->data().examples("train")->digest());
}

TEST_F(FrechetDistance, NeedsOneNetwork) {
  auto samples = input({{"drawn", real(0, 40), 1e6}});
  EXPECT_THAT([&] { measure(samples, {{"count", 40}, {"inception", "x.safetensors"}}); },
              ThrowsMessage<ConfigError>(HasSubstr("has both an input `model` and the option inception")));
  samples.model = nullptr;
  EXPECT_THAT([&] { measure(samples, {{"count", 40}}); }, ThrowsMessage<ConfigError>(HasSubstr("trainer.classifier")));
}

TEST_F(FrechetDistance, ReportsWhatIsMissing) {
  const auto fails = [&](const MetricInput& given, const conformance::Options& options, const std::string& message) {
    EXPECT_THAT([&] { measure(given, options); }, ThrowsMessage<Error>(HasSubstr(message)));
  };
  const auto good = input({{"drawn", real(0, 40), 1e6}});
  fails(good, {}, "generated without end; say how many by the option count");
  fails(good, {{"count", 6}}, "the real images of 'held_out' are 6, but 6 features need at least 7");
  fails(input({{"drawn", real(0, 5), 1e6}}), {{"count", 40}},
        "the samples of 'drawn' without the excluded ones are 5, but 6 features need at least 7");
  fails(input({{"broken", real(0, 40) * std::nan(""), 1e6}}), {{"count", 40}}, "'broken' have features that are not finite");
  auto given = good;
  auto grey = fresh_classifier();
  grey->info.architecture = classifier::Config{1, {4}, {"left", "right"}}.to_value();
  grey->weights = classifier::initialize({1, {4}, {"left", "right"}}, 1);
  given.model = grey;
  fails(given, {{"count", 40}}, "images have 3 channels, the classifier was trained on 1");
}

}  // namespace
}  // namespace espalier
