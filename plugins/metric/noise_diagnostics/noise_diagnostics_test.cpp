#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <limits>

#include "runtime/sdk/noise_corrector.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/memory_view.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr const char* kType = "metric.noise_diagnostics";
constexpr std::int64_t kCount = 240, kSteps = 4;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Examples whose second half repeats the first.
class Twice final : public Examples {
 public:
  explicit Twice(std::unique_ptr<Examples> examples) : examples_(std::move(examples)) {}
  std::int64_t size() const override { return kCount; }
  std::int64_t distinct() const override { return kCount / 2; }
  Hex digest() const override { return examples_->digest(); }
  Batch at(const std::vector<std::uint64_t>& positions) const override { return examples_->at(positions); }

 private:
  std::unique_ptr<Examples> examples_;
};

class TwiceDomain final : public ForwardingDomain {
 public:
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    return std::make_unique<Twice>(ForwardingDomain::examples(split));
  }
};

// Inversions of the toy domain's first examples: noise of a chosen spread, certificates by formula, every eighth not converged.
class MadeUp {
 public:
  void narrow_second_half() { noise_["sample"].narrow(0, kCount / 2, kCount / 2).mul_(0.7); }
  // The noises of the second half become those of the first.
  void repeat() { noise_["sample"].narrow(0, kCount / 2, kCount / 2).copy_(noise_["sample"].narrow(0, 0, kCount / 2)); }
  explicit MadeUp(double spread = 1.0) : grid_(toy_model(1, "rectified_flow").process->grid(kSteps)) {
    std::vector<std::uint64_t> positions;
    for (std::uint64_t i = 0; i < kCount; ++i) positions.push_back(i);
    const auto domain = toy_domain();
    codec_ = domain->codec(nullptr);
    sample_ = codec_->encode(domain->data().examples("train")->at(positions).sample, {});
    random::Draws draws({3, random::Purpose::data}, positions);
    noise_["sample"] = spread * draws.normals({3, 8, 8});
    noise_[inversion::kConverged] = at::ones({kCount});
    noise_[inversion::kRoundTripError] = at::full({kCount}, 1e-5);
    noise_[inversion::kKnownNoiseError] = at::full({kCount}, kNan);
    noise_[inversion::kResidual] = at::full({kCount, kSteps}, 2e-6);
    noise_[inversion::kContraction] = at::full({kCount, kSteps}, 0.25);
    noise_[inversion::kIterations] = at::full({kCount, kSteps}, 6.0);
    noise_[inversion::kContraction].select(1, 0).fill_(0.75);
    noise_[inversion::kIterations].select(1, 0).fill_(12.0);
    for (std::int64_t i = 0; i < kCount; i += 8) {
      noise_[inversion::kConverged][i] = 0.0;
      noise_[inversion::kResidual][i][0] = 0.5;
      noise_["sample"][i].fill_(100.0);  // not converged: must count in nothing but the shares
    }
    for (std::int64_t i = 0; i < 4; ++i) noise_[inversion::kKnownNoiseError][i] = 1e-4 * static_cast<double>(i + 1);
    noise_[inversion::kKnownNoiseError][4] = std::numeric_limits<double>::infinity();
  }
  View view() const { return memory_view("inversions", {{0, sample_}, {kSteps, noise_}}, codec_, 0.0, grid_); }
  void drop(const char* name) { noise_.erase(name); }

 private:
  diffusion::Grid grid_;
  std::shared_ptr<const Codec> codec_;
  State sample_, noise_;
};

struct Study {
  std::unique_ptr<Domain> domain = toy_domain();
  MetricInput input;
  explicit Study(const std::shared_ptr<const MadeUp>& samples, std::shared_ptr<const Model> model = nullptr) {
    input.key = {1, random::Purpose::evaluation};
    input.samples = {samples->view()};
    input.model = std::move(model);
    input.domain = domain.get();
  }
  std::map<std::string, Scalar> scalars(const Options& options = {}) const {
    std::map<std::string, Scalar> out;
    for (const auto& scalar : make<Metric>(plugin(kType), options)->measure(input).scalars) out.emplace(scalar.name, scalar);
    return out;
  }
};

TEST(NoiseDiagnostics, Conforms) {
  check_metric(plugin(kType), {{"classifier_steps", 100}}, Study(std::make_shared<MadeUp>()).input);
  const auto flow = std::make_shared<const Model>(toy_model(1, "rectified_flow"));
  check_metric(plugin(kType), {{"classifier_steps", 20}}, Study(std::make_shared<MadeUp>(0.7), flow).input);
}

TEST(NoiseDiagnostics, CountsAndCertifies) {
  const auto scalars = Study(std::make_shared<MadeUp>()).scalars({{"classifier_steps", 10}});
  EXPECT_EQ(scalars.at("inversions").value, 240);
  EXPECT_EQ(scalars.at("converged").value, 210);
  EXPECT_DOUBLE_EQ(scalars.at("converged_share").value, 7.0 / 8);
  EXPECT_NEAR(scalars.at("converged_share").low, 0.8271639, 1e-7);  // Wilson's of 210 of 240
  EXPECT_NEAR(scalars.at("residual_max").value, 2e-6, 1e-9) << "of those that converged";
  EXPECT_NEAR(scalars.at("round_trip_error_99").value, 1e-5, 1e-9);
  EXPECT_EQ(scalars.at("known_noise_tried").value, 5);
  EXPECT_EQ(scalars.at("known_noise_diverged").value, 1);
  EXPECT_NEAR(scalars.at("known_noise_error_median").value, 2.5e-4, 1e-8);
  EXPECT_NEAR(scalars.at("known_noise_error_max").value, 4e-4, 1e-8);
  EXPECT_NEAR(scalars.at("contraction_ratio").value, 0.25, 1e-6);
  EXPECT_NEAR(scalars.at("contraction_ratio_worst_step").value, 0.75, 1e-6);
  EXPECT_EQ(scalars.at("hardest_step").value, 1);
  EXPECT_EQ(scalars.at("iterations_per_step").value, 7.5);
}

TEST(NoiseDiagnostics, SeparatesNormalNoisesFromOthers) {
  const auto normal = Study(std::make_shared<MadeUp>()).scalars(), narrow = Study(std::make_shared<MadeUp>(0.8)).scalars();
  EXPECT_NEAR(normal.at("noise_variance").value, 1.0, 0.03) << "those that did not converge are left out";
  EXPECT_LT(normal.at("classifier_accuracy").low, 0.5);
  EXPECT_LT(normal.at("radial_distance").value, normal.at("radial_distance_expected").value);
  EXPECT_NEAR(narrow.at("noise_variance").value, 0.64, 0.02);
  EXPECT_GT(narrow.at("classifier_accuracy").low, 0.8);
  EXPECT_GT(narrow.at("radial_distance").value, 0.9);
  EXPECT_LT(narrow.at("gaussian_loss").value, normal.at("gaussian_loss").value - 0.2);
}

// A classifier trained on the other half's noises recognises copies of them, though they are normal.
TEST(NoiseDiagnostics, TheTwoSampleTestUsesNoExampleTwice) {
  const auto repeated = std::make_shared<MadeUp>();
  repeated->repeat();
  Study study(repeated);
  EXPECT_GT(study.scalars().at("classifier_accuracy").low, 0.5);
  study.domain = std::make_unique<TwiceDomain>();
  study.input.domain = study.domain.get();
  const auto scalars = study.scalars();
  EXPECT_EQ(scalars.at("distinct").value, 105);
  EXPECT_LT(scalars.at("classifier_accuracy").low, 0.5);
  EXPECT_NEAR(scalars.at("radial_distance_expected").value, 1.36 / std::sqrt(105), 1e-12);
}

// Of a set whose second half is another class, contiguous groups of noises differ more than groups drawn do.
TEST(NoiseDiagnostics, TakesASortedSetInADrawnOrder) {
  const auto sorted = std::make_shared<MadeUp>();
  sorted->narrow_second_half();
  const auto variance = Study(sorted).scalars({{"classifier_steps", 10}}).at("noise_variance");
  EXPECT_NEAR(variance.value, 0.5 * (1.0 + 0.49), 0.02);
  EXPECT_NEAR(variance.high - variance.value, 1.96 * 0.255 / std::sqrt(210), 0.02);
}

TEST(NoiseDiagnostics, ShowsTheHardestStepAndTheRadialLaw) {
  const auto charts = make<Metric>(plugin(kType), {{"classifier_steps", 10}})->measure(Study(std::make_shared<MadeUp>()).input).charts;
  ASSERT_EQ(charts.size(), 4U);
  EXPECT_TRUE(charts[0].log_y);
  EXPECT_NEAR(charts[0].series[1].y[0], 0.5, 1e-6) << "the largest residual, of one that did not converge";
  EXPECT_EQ(charts[1].series[0].x, (std::vector<double>{1, 2, 3, 4}));
  EXPECT_NEAR(charts[1].series[0].y[0], 0.75, 1e-6);
  EXPECT_EQ(charts[2].series[0].y, (std::vector<double>{12, 6, 6, 6}));
  EXPECT_EQ(charts[3].name, "radial law");
}

// A network that predicts 0 has the loss E (eps - z)^2 = 1 + E z^2.
TEST(NoiseDiagnostics, GivesTheCorrectorsLossOnATenth) {
  auto model = toy_model(1, "rectified_flow");
  for (auto& [name, tensor] : model.weights) tensor = at::zeros_like(tensor);
  Study study(std::make_shared<MadeUp>(0.7), std::make_shared<const Model>(model));
  const auto scalars = study.scalars({{"classifier_steps", 10}});
  EXPECT_NEAR(scalars.at("corrector_loss").value, 1.49, 0.03);
  EXPECT_LT(scalars.at("gaussian_loss").value, scalars.at("corrector_loss").low);
  EXPECT_EQ(Study(std::make_shared<MadeUp>()).scalars({{"classifier_steps", 10}}).contains("corrector_loss"), false);
  EXPECT_THAT([&] { study.scalars({{"classifier_steps", 10}, {"split", "held_out"}}); },
              ThrowsMessage<StageError>(HasSubstr("did not invert the split 'held_out'")));
}

TEST(NoiseDiagnostics, RefusesWhatIsNoInversion) {
  auto samples = std::make_shared<MadeUp>();
  samples->drop(inversion::kResidual);
  EXPECT_THAT([&] { Study(samples).scalars(); }, ThrowsMessage<StageError>(HasSubstr("records no 'residual'")));
}

}  // namespace
}  // namespace espalier::conformance
