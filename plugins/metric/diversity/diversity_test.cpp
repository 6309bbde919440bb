#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "plugins/shared/classifier/network.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::int64_t kConditions = 200, kSamples = 4, kPixels = 192;  // 3 x 8 x 8

// Images in memory, of the toy domain: row i has condition i mod kConditions.
class Images final : public ViewSource {
 public:
  explicit Images(at::Tensor image) : image_(std::move(image)) {}
  State states(std::int64_t, const std::vector<std::int64_t>&) const override { throw InternalError("no states are needed"); }
  Sample decoded(const std::vector<std::int64_t>& index) const override {
    std::vector<at::Tensor> rows;
    for (const auto i : index) rows.push_back(image_[i]);
    return {"image", {{"image", at::stack(rows)}}, {}};
  }

 private:
  at::Tensor image_;  // [N, 3, 8, 8]
};

View view_of(const std::string& tag, const at::Tensor& image, const Domain& domain) {
  ViewInfo info{tag, {}, domain.codec(nullptr), View::range(0, image.size(0)), {}};
  for (std::int64_t i = 0; i < image.size(0); ++i) info.condition.push_back(i % kConditions);
  return {std::move(info), std::make_shared<Images>(image)};
}

at::Tensor normals(std::uint64_t number, std::int64_t rows) {
  random::Draws draws({3, random::Purpose::evaluation}, {number});
  draws.begin(0);
  return draws.normals({rows * kPixels}, at::kDouble).view({rows, 3, 8, 8});
}

class Diversity : public testing::Test {
 protected:
  MetricInput input(const std::vector<std::pair<std::string, at::Tensor>>& sets) const {
    MetricInput result;
    result.key = {5, random::Purpose::evaluation};
    for (const auto& [tag, image] : sets) result.samples.push_back(view_of(tag, image, *domain_));
    result.domain = domain_.get();
    return result;
  }
  std::map<std::string, Scalar> measure(const MetricInput& input, const Options& options = {}) const {
    const auto found = make<Metric>(plugin("metric.diversity"), options)->measure(input).scalars;
    std::map<std::string, Scalar> named;
    for (const auto& scalar : found) named.emplace(scalar.name + "." + scalar.about.stage, scalar);
    return named;
  }
  std::unique_ptr<Domain> domain_ = toy_domain();
};

at::Tensor around(double mean, double deviation, std::uint64_t number) {
  return normals(number, kConditions * kSamples) * deviation + mean;
}

// Of two images of d independent normal values the distance is s sqrt(2) chi_d / sqrt(d), and E chi_d = sqrt(2) G((d + 1)/2) / G(d/2);
// rounding to 8 bits adds 1/12 of a squared level to the variance s^2.
double gaussian_distance(double deviation) {
  const double s = std::sqrt(deviation * deviation + 1.0 / (12.0 * 255.0 * 255.0)), d = kPixels;
  return s * 2.0 * std::exp(std::lgamma((d + 1) / 2) - std::lgamma(d / 2)) / std::sqrt(d);
}

TEST_F(Diversity, Conforms) {
  check_metric(plugin("metric.diversity"), {}, input({{"base", around(0.5, 0.1, 1)}}));
  check_metric(plugin("metric.diversity"), {{"near_duplicate_distance", 0.2}},
               input({{"base", around(0.5, 0.1, 1)}, {"tuned", around(0.5, 0.05, 2)}}));
}

TEST_F(Diversity, OfGaussianPixelsIsTheClosedForm) {
  const auto found = measure(input({{"base", around(0.5, 0.1, 1)}, {"tuned", around(0.5, 0.05, 2)}}));
  for (const auto& [tag, deviation] : {std::pair("base", 0.1), std::pair("tuned", 0.05)}) {
    const auto& distance = found.at(std::string("pairwise_distance.") + tag);
    EXPECT_NEAR(distance.value, gaussian_distance(deviation), 0.008 * gaussian_distance(deviation)) << tag;
    EXPECT_LT(distance.low, gaussian_distance(deviation));
    EXPECT_GT(distance.high, gaussian_distance(deviation));
    EXPECT_EQ(distance.count, kConditions);
    EXPECT_EQ(distance.interval, intervals::Kind::bootstrap);
  }
  const auto& difference = found.at("pairwise_distance_difference.tuned");
  EXPECT_NEAR(difference.value, found.at("pairwise_distance.tuned").value - found.at("pairwise_distance.base").value, 1e-12);
  EXPECT_LT(difference.high, 0.0);
  EXPECT_EQ(difference.about, (Subject{.stage = "tuned", .baseline = "base"}));
  EXPECT_FALSE(found.contains("pairwise_distance_difference.base"));
}

// Of each condition the first two samples are equal: 1 of its 6 pairs. No pair of the first set is near: Wilson's bound of as many as there
// are conditions.
TEST_F(Diversity, SharesOfNearDuplicatesAreOverPairsOfOneCondition) {
  auto copied = around(0.5, 0.1, 2);
  copied.narrow(0, kConditions, kConditions).copy_(copied.narrow(0, 0, kConditions).clone());
  const auto found = measure(input({{"base", around(0.5, 0.1, 1)}, {"copied", copied}}));
  EXPECT_EQ(found.at("near_duplicate_share.base").value, 0.0);
  EXPECT_NEAR(found.at("near_duplicate_share.base").high, intervals::wilson(0, kConditions).high, 1e-12);
  EXPECT_NEAR(found.at("near_duplicate_share.copied").value, 1.0 / 6, 1e-12);
  EXPECT_NEAR(found.at("near_duplicate_share_difference.copied").value, 1.0 / 6, 1e-12);
  EXPECT_EQ(found.at("near_duplicate_share_difference.copied").interval, intervals::Kind::none) << "each condition differs by as much";
}

TEST_F(Diversity, IsWithinAConditionAlone) {
  auto means = normals(4, kConditions) * 0.2 + 0.5;  // conditions differ, their samples do not
  const auto found = measure(input({{"base", at::cat({means, means, means, means})}}));
  EXPECT_EQ(found.at("pairwise_distance.base").value, 0.0);
  EXPECT_EQ(found.at("near_duplicate_share.base").value, 1.0);
}

TEST_F(Diversity, InAClassifiersFeaturesIsTheirEuclideanDistance) {
  const classifier::Config config{3, {4, 6}, {"left", "right"}};
  auto model = std::make_shared<Model>();
  model->weights = classifier::initialize(config, 3);
  model->info.role = classifier::kRole;
  model->info.architecture = config.to_value();
  const auto image = around(0.5, 0.2, 6).narrow(0, 0, 2 * kConditions);
  auto given = input({{"base", image}});
  given.model = model;
  const auto rounded = ((image.clamp(0.0, 1.0) * 255.0).round() / 255.0).to(at::kFloat);
  const auto features = classifier::features(config, model->weights, rounded).to(at::kDouble);
  const auto by_hand = (features.narrow(0, 0, kConditions) - features.narrow(0, kConditions, kConditions)).pow(2).sum(1).sqrt().mean();
  EXPECT_NEAR(measure(given).at("feature_distance.base").value, by_hand.item<double>(), 1e-6);
}

TEST_F(Diversity, LeavesConditionsWithOneSampleOut) {
  const auto image = around(0.5, 0.1, 1).narrow(0, 0, kConditions + 10);  // ten conditions have two samples
  EXPECT_EQ(measure(input({{"base", image}})).at("pairwise_distance.base").count, 10);
  EXPECT_THAT([&] { measure(input({{"base", image.narrow(0, 0, kConditions)}})); },
              ThrowsMessage<StageError>(HasSubstr("no condition of 'base' has two samples")));
}

// A domain whose samples are no images.
class Sets final : public ForwardingDomain {
 public:
  std::string sample_kind() const override { return "set"; }
};

// Samples that have a canonical key.
class Keyed final : public ForwardingCodec {
 public:
  explicit Keyed(const Domain& domain) : ForwardingCodec(domain.codec(nullptr)) {}
  bool has_canonical_keys() const override { return true; }
};

TEST_F(Diversity, RefusesWhatCannotBeCompared) {
  const auto check = [](const Domain& domain, const std::vector<PlannedView>& views, const ModelInfo* model = nullptr) {
    make<Metric>(plugin("metric.diversity"))->check_inputs({{{"samples", views}}, model, domain});
  };
  const auto refused = [&](const Domain& domain, const std::vector<PlannedView>& views, const std::string& message,
                           const ModelInfo* model = nullptr) {
    EXPECT_THAT([&] { check(domain, views, model); }, ThrowsMessage<ConfigError>(HasSubstr(message)));
  };
  PlannedView view{.tag = "a", .size = 8, .codec = domain_->codec(nullptr), .samples_per_condition = 2, .conditions = "x"};
  check(*domain_, {view, view});
  auto one = view, other = view;
  one.samples_per_condition = 1;
  other.tag = "b", other.conditions = "y";
  refused(*domain_, {one}, "'a' has one sample of each condition, and a pair needs two; set its samples_per_condition to 2 or more");
  refused(*domain_, {view, other}, "'a' and 'b' are not of the same conditions");
  const Sets sets;
  refused(sets, {view}, "'a' has samples of the kind 'set', which are no images and have no canonical keys");
  auto keyed = view;
  keyed.codec = std::make_shared<Keyed>(*domain_);
  check(sets, {keyed});
  const ModelInfo model;
  refused(sets, {keyed}, "a classifier of images, but the samples are of the kind 'set'", &model);
}

}  // namespace
}  // namespace espalier::conformance
