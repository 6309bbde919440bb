#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "runtime/base/files.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

// Written by make_diffusers.py beside it, from diffusers' DPMSolverMultistepScheduler.
constexpr const char* kGolden = ESPALIER_SOURCE_DIR "/sampler/dpm_solver/diffusers.json";

Value golden() { return parse_json(read_file(kGolden), kGolden); }

at::Tensor tensor_of(const Value& numbers) {
  std::vector<double> values;
  for (const auto& number : numbers.as_list()) values.push_back(number.as_number());
  return at::tensor(values, at::kFloat).unsqueeze(0);
}

// The stand-in for a network that the script has too.
at::Tensor network(const std::string& prediction, const at::Tensor& x, double t) {
  const double trend = prediction == "epsilon" ? t / 1000 : prediction == "sample" ? 1 - t / 1000 : 0;
  return x * trend + x * 0.1 / (x * x + 1);
}

TEST(DpmSolver, TakesDiffusersSteps) {
  const auto chains = golden().as_list();
  ASSERT_EQ(chains.size(), 12u);
  for (const auto& chain : chains) {
    const auto& scheduler = chain.at("config");
    const auto prediction = scheduler.at("prediction_type").as_string();
    SCOPED_TRACE(to_json(scheduler));
    ModelInfo info;
    info.role = "denoiser";
    info.process = scheduler;
    const auto process = diffusion::make_process(scheduler, "the test");
    const auto& states = chain.at("states").as_list();
    const auto steps = static_cast<std::int64_t>(states.size()) - 1;
    const auto sampler = make<Sampler>(plugin("sampler.dpm_solver"), {{"num_inference_steps", steps}});
    const auto phase = sampler->phases({info}, nullptr).front();
    const auto solver = sampler->solver(phase);
    random::Draws draws({1, random::Purpose::sampling}, {0});
    auto x = tensor_of(states.front());
    for (auto n = steps; n > 0; --n) {
      const auto &from = phase.grid.at(n), &to = phase.grid.at(n - 1);
      const auto answer = network(prediction, x, from.timestep);
      x = solver->step({{"sample", x}}, {{"sample", answer}}, {{*process, from, to}, draws, {}}).at("sample");
      const auto expected = tensor_of(states.at(static_cast<std::size_t>(steps - n + 1)));
      EXPECT_LT((x - expected).abs().max().item<double>(), 2e-5 * expected.abs().max().item<double>()) << n - 1 << " steps remaining";
    }
  }
}

}  // namespace
}  // namespace espalier::conformance
