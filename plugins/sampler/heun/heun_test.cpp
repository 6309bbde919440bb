#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include <cmath>

#include "runtime/sampling/run_sampling.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"
#include "tests/runtime/diffusion/flow_oracle.h"

namespace espalier::conformance {
namespace {

using flow_oracle::Gaussian;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::unique_ptr<Sampler> heun(const Options& options = {}) { return make<Sampler>(plugin("sampler.heun"), options); }
ModelInfo flow(std::uint64_t seed = 1) { return toy_model(seed, "rectified_flow").info; }

// The optimal flow of Gaussian data.
class GaussianFlow final : public Network {
 public:
  explicit GaussianFlow(Gaussian data) : data_(data) {}
  Value architecture() const override { return "gaussian flow"; }
  TensorMap embed(const Weights&, const TensorMap&) const override { return {}; }
  State predict(const Weights&, const State& noisy, const at::Tensor& timestep, const TensorMap&) const override {
    const auto v = flow_oracle::velocity(data_, 1 - timestep[0].item<double>() / 1000);
    return {{"x", -(noisy.at("x") * v.gain + v.offset)}};
  }
  Weights initialize(std::uint64_t) const override { return {}; }

 private:
  Gaussian data_;
};

struct Ends final : Recorder {
  void record(const diffusion::GridPoint& point, const State& state) override {
    if (point.level.alpha == 0.0) noise = state.at("x").clone();
    sample = state.at("x").clone();
  }
  at::Tensor noise, sample;
};

// The gain and offset of the map from noise to sample, in double.
flow_oracle::Line heun_map(Gaussian data, std::int64_t steps) {
  auto model = std::make_shared<Model>(toy_model(1, "rectified_flow"));
  model->network = std::make_shared<GaussianFlow>(data);
  const auto sampler = heun({{"num_inference_steps", steps}});
  const auto phases = sampler->phases({model->info}, nullptr);
  random::Draws draws({7, random::Purpose::sampling}, {0, 1});
  Ends ends;
  const std::vector<std::vector<SegmentModel>> models{{{model}}};
  sampling::run_sampling(*sampler, {phases, models, {{"x", {{}, at::kDouble}}}, {}, 2, draws, at::kCPU, NeverStop()}, ends);
  const double from0 = ends.noise[0].item<double>(), from1 = ends.noise[1].item<double>();
  const double to0 = ends.sample[0].item<double>(), to1 = ends.sample[1].item<double>();
  const double gain = (to1 - to0) / (from1 - from0);
  return {gain, to0 - gain * from0};
}

TEST(Heun, ConformsWithAndWithoutGuidance) {
  check_sampler(plugin("sampler.heun"), {});
  check_sampler(plugin("sampler.heun"), {{"guidance_scale", 3.0}});
}

TEST(Heun, IsTheTrapezoidOnEveryStepButTheLast) {
  const Gaussian data{0.5, 0.36};
  constexpr std::int64_t kSteps = 8;
  const double h = 1.0 / kSteps;
  double gain = 1.0, offset = 0.0;  // x_k = gain x_0 + offset
  for (int k = 0; k < kSteps; ++k) {
    const auto here = flow_oracle::velocity(data, k * h), there = flow_oracle::velocity(data, (k + 1) * h);
    const auto value = [&](double x) {
      const double slope = here.gain * x + here.offset;
      return k + 1 == kSteps ? x + h * slope : x + h / 2 * (slope + there.gain * (x + h * slope) + there.offset);
    };
    const double at_zero = value(0), at_one = value(1);
    gain *= at_one - at_zero;
    offset = (at_one - at_zero) * offset + at_zero;
  }
  const auto found = heun_map(data, kSteps);
  EXPECT_NEAR(found.gain, gain, 1e-6);  // the network receives its timestep in float32
  EXPECT_NEAR(found.offset, offset, 1e-6);
}

// The exact flow maps N(0, 1) onto N(m, s^2) by m + s x; the mean moves on a straight line, which any step size follows.
TEST(Heun, IsOfSecondOrder) {
  const auto coarse = heun_map({0.5, 0.36}, 40), fine = heun_map({0.5, 0.36}, 80);
  EXPECT_NEAR(std::abs(coarse.gain - 0.6) / std::abs(fine.gain - 0.6), 4.0, 0.2);
  EXPECT_LT(std::abs(fine.gain - 0.6), 2e-4);
  EXPECT_NEAR(coarse.offset, 0.5, 1e-6);
}

TEST(Heun, EvaluatesTwiceAStepAndOnceInTheLast) {
  auto tuned = flow(2);
  tuned.last_step = Step(0.5);
  for (const auto& [guidance, passes] : {std::pair(1.0, 1), std::pair(2.0, 2)}) {
    const auto sampler = heun({{"num_inference_steps", 6}, {"guidance_scale", guidance}});
    const auto source = sampling::source_of(*sampler);
    const auto phase = sampler->phases({tuned, flow()}, nullptr).front();
    ASSERT_EQ(phase.segments.size(), 2U);
    EXPECT_EQ(source->network_evaluations(phase, phase.segments[0]), 6 * passes);
    EXPECT_EQ(source->network_evaluations(phase, phase.segments[1]), 5 * passes);
  }
}

TEST(Heun, RefusesModelsThatAreNoFlow) {
  EXPECT_THAT([] { heun()->phases({toy_model().info}, nullptr); },
              ThrowsMessage<ConfigError>(HasSubstr("is 'variance_preserving'; this stage needs 'rectified_flow'")));
}

}  // namespace
}  // namespace espalier::conformance
