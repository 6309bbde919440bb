#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "runtime/sampling/embedding.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

TEST(Picard, Conforms) { check_noise_corrector(plugin("noise_corrector.picard"), {}); }

struct LastState final : Recorder {
  void record(const diffusion::GridPoint&, const State& state) override { noise = state; }
  State noise;
};

// The share of three examples whose inversion converged.
double converged(std::int64_t iterations) {
  const auto domain = toy_domain();
  const auto model = std::make_shared<const Model>(toy_model(1, "rectified_flow"));
  const auto corrector = make<NoiseCorrector>(plugin("noise_corrector.picard"), {{"num_inference_steps", 4}, {"iterations", iterations}});
  const auto batch = encoded(*domain, "train", *model)->at({0, 1, 2});
  const std::vector<std::vector<SegmentModel>> models{{sampling::segment_model(model, batch.condition, 2)}};
  random::Draws draws({7, random::Purpose::sampling}, {0, 1, 2});
  const auto phases = corrector->phases({model->info}, nullptr);
  LastState last;
  const at::NoGradGuard no_grad;
  const auto spec = domain->codec(&model->info)->spec();
  corrector->compute({phases, models, spec, batch.state, 2, draws, at::kCPU, NeverStop()}, last);
  return last.noise.at(inversion::kConverged).mean().item<double>();
}

TEST(Picard, ConvergesWhereItIteratesEnough) {
  EXPECT_EQ(converged(1), 0.0);
  EXPECT_EQ(converged(20), 1.0);
}

}  // namespace
}  // namespace espalier::conformance
