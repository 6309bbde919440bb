#include <ATen/ops/allclose.h>
#include <ATen/ops/linspace.h>
#include <gtest/gtest.h>

#include "runtime/sampling/transition.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

TEST(Multistep, Conforms) {
  check_sampler(plugin("sampler.multistep"), {});
  check_sampler(plugin("sampler.multistep"), {{"guidance_scale", 3.0}});
}

// The first step and the step to the sample are of first order: DDIM's without fresh noise.
TEST(Multistep, TakesDdimsStepsFirstAndLast) {
  auto info = toy_model().info;
  info.process["clip_sample"] = false;
  const auto process = diffusion::make_process(info.process, "the test");
  const auto sampler = make<Sampler>(plugin("sampler.multistep"), {{"num_inference_steps", 2}});
  const auto phase = sampler->phases({info}, nullptr).front();
  const auto solver = sampler->solver(phase);
  random::Draws draws({1, random::Purpose::sampling}, {0});
  State x = {{"sample", at::linspace(-2, 2, 8).view({1, 8})}};
  for (const std::int64_t n : {2, 1}) {
    const StepEnds ends{*process, phase.grid.at(n), phase.grid.at(n - 1)};
    const State prediction = {{"sample", x.at("sample").mul(0.3).add(0.1)}};
    const auto next = solver->step(x, prediction, {ends, draws, {}});
    const auto ddim = sampling::ddim_transition(x, prediction, ends, /*eta=*/0.0).mean;
    EXPECT_TRUE(at::allclose(next.at("sample"), ddim.at("sample"), 1e-5, 1e-5)) << n;
    x = next;
  }
}

}  // namespace
}  // namespace espalier::conformance
