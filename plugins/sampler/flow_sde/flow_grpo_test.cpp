// noise_schedule = "flow_grpo" against the paper's formulas in PyTorch.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "plugins/sampler/flow_sde/rule.h"
#include "runtime/base/files.h"
#include "runtime/diffusion/rectified_flow.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

// Written by plugins/trainer/ddpo/make_flow_grpo.py.
constexpr const char* kGolden = ESPALIER_SOURCE_DIR "/plugins/sampler/flow_sde/flow_grpo.json";

at::Tensor tensor_of(const Value& list) {
  std::vector<double> values;
  for (const auto& number : list.as_list()) values.push_back(number.as_number());
  return at::tensor(values, at::kDouble);
}

State state_of(const Value& list) { return {{"sample", tensor_of(list).view({2, -1})}}; }

double difference(const at::Tensor& found, const Value& wanted) { return (found.flatten() - tensor_of(wanted)).abs().max().item<double>(); }

struct Steps {
  explicit Steps(const Value& entry)
      : solver(make<Sampler>(plugin("sampler.flow_sde"),
                             {{"noise_schedule", "flow_grpo"}, {"noise_level", entry.at("noise_level")}, {"guidance_scale", 1.0}})
                   ->solver({})),
        grid(process.grid(entry.at("num_inference_steps").as_integer())) {}
  StepEnds ends(std::size_t step) const {
    const auto n = grid.num_steps() - static_cast<std::int64_t>(step);
    return {process, grid.at(n), grid.at(n - 1)};
  }
  std::unique_ptr<Solver> solver;
  diffusion::RectifiedFlow process{{}};
  diffusion::Grid grid;
};

TEST(FlowGrpo, StepsLogProbabilitiesAndKlAreThoseOfPyTorch) {
  const auto golden = parse_json(read_file(kGolden), kGolden);
  std::int64_t compared = 0;
  for (const auto& entry : golden.as_list()) {
    const Steps steps(entry);
    const auto& wanted = entry.at("steps").as_list();
    for (std::size_t i = 0; i < wanted.size(); ++i, ++compared) {
      SCOPED_TRACE(to_json(entry.at("num_inference_steps")) + " steps, step " + std::to_string(i));
      const auto x = state_of(wanted[i].at("x"));
      auto prediction = state_of(wanted[i].at("prediction"));
      prediction.at("sample").requires_grad_();
      const auto law = steps.solver->gaussian(x, prediction, steps.ends(i)).value();
      const auto fixed = steps.solver->gaussian(x, state_of(wanted[i].at("reference")), steps.ends(i)).value();
      EXPECT_NEAR(law.std, wanted[i].at("std").as_number(), 1e-12);
      EXPECT_LE(difference(law.mean.at("sample"), wanted[i].at("mean")), 1e-12);
      const auto log_prob = steps.solver->log_prob(x, prediction, state_of(wanted[i].at("next")), steps.ends(i));
      EXPECT_LE(difference(log_prob.value(), wanted[i].at("log_prob")), 1e-10);
      const auto kl = sampling::gaussian_kl(law.mean, fixed.mean, law.std);
      EXPECT_LE(difference(kl, wanted[i].at("kl")), 1e-10);
      EXPECT_LE(difference(kl / static_cast<double>(wanted.size()), wanted[i].at("code_kl")), 1e-10) << "the code's KL has no 1 / dt";
      kl.sum().backward();
      EXPECT_LE(difference(prediction.at("sample").grad(), wanted[i].at("kl_gradient")), 1e-10);
    }
  }
  EXPECT_EQ(compared, 14);
}

}  // namespace
}  // namespace espalier::conformance
