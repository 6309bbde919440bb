// The CPU is the reference: the same network, sampler step and optimizer on a GPU, within float32's rounding.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "runtime/diffusion/variance_preserving.h"
#include "runtime/exec/device.h"
#include "runtime/network/unet.h"
#include "runtime/sampling/transition.h"
#include "runtime/training/optimizer.h"

namespace espalier::exec {
namespace {

constexpr double kTolerance = 1e-4;  // absolute, of values around 1

at::Tensor normals(const std::vector<std::int64_t>& shape, std::uint32_t round) {
  random::Draws draws({3, random::Purpose::evaluation, round, 0}, {0});
  return draws.normals(shape)[0];
}

network::UNet small_unet() {
  return network::UNet(Value::Map{{"in_channels", 3},
                                  {"out_channels", 3},
                                  {"block_out_channels", Value::List{8, 16}},
                                  {"layers_per_block", 1},
                                  {"norm_num_groups", 4},
                                  {"down_block_types", Value::List{"DownBlock2D", "CrossAttnDownBlock2D"}},
                                  {"up_block_types", Value::List{"CrossAttnUpBlock2D", "UpBlock2D"}},
                                  {"attention_head_dim", 4},
                                  {"cross_attention_dim", 12}},
                       "the test's U-Net");
}

TensorMap moved(const TensorMap& tensors, at::Device device) {
  TensorMap out;
  for (const auto& [name, tensor] : tensors) out.emplace(name, tensor.to(device));
  return out;
}

double distance(const at::Tensor& a, const at::Tensor& b) { return (a.to(at::kCPU) - b.to(at::kCPU)).abs().max().item<double>(); }

class Cuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!cuda_available()) GTEST_SKIP() << "no CUDA device, or LibTorch's CUDA libraries are not installed; the CPU's own tests carry this";
  }
};

TEST_F(Cuda, RunsAUNetAsTheCpuDoes) {
  const auto device = open_device("cuda");
  const at::NoGradGuard no_grad;
  const auto unet = small_unet();
  const auto weights = unet.initialize("unet.", 1);
  const auto x = normals({4, 3, 16, 16}, 0), text = normals({4, 5, 12}, 1), t = at::full({4}, 500.0);
  const auto on_cpu = unet.forward(weights, "unet.", x, t, {text});
  const auto on_gpu = unet.forward(moved(weights, device), "unet.", x.to(device), t.to(device), {text.to(device)});
  EXPECT_TRUE(on_gpu.is_cuda());
  EXPECT_GT(on_cpu.abs().max().item<double>(), 0.01);
  EXPECT_LT(distance(on_cpu, on_gpu), kTolerance);
}

TEST_F(Cuda, StepsBackWithTheSameNoise) {
  const auto device = open_device("cuda");
  const diffusion::VariancePreserving process{diffusion::SchedulerConfig{}};
  const auto grid = process.grid(10);
  const auto x = normals({4, 3, 8, 8}, 2), eps = normals({4, 3, 8, 8}, 3);
  for (const double eta : {0.0, 1.0}) {
    random::Draws draws({1}, {0, 1, 2, 3}), same({1}, {0, 1, 2, 3});
    const auto on_cpu = sampling::ddim_transition({{"x", x}}, {{"x", eps}}, {process, grid.at(6), grid.at(5)}, eta).draw(draws).at("x");
    const auto on_gpu = sampling::ddim_transition({{"x", x.to(device)}}, {{"x", eps.to(device)}}, {process, grid.at(6), grid.at(5)}, eta)
                            .draw(same)
                            .at("x");
    EXPECT_TRUE(on_gpu.is_cuda());
    EXPECT_LT(distance(on_cpu, on_gpu), 1e-5) << "eta = " << eta;
  }
}

TEST_F(Cuda, TakesAnOptimizerStepAsTheCpuDoes) {
  const auto device = open_device("cuda");
  const auto unet = small_unet();
  std::vector<at::Tensor> results;
  for (const auto where : {at::Device(at::kCPU), device}) {
    auto weights = moved(unet.initialize("unet.", 1), where);
    std::vector<std::pair<std::string, at::Tensor>> parameters;
    for (auto& [name, tensor] : weights) parameters.emplace_back(name, tensor.requires_grad_());
    training::AdamW optimizer(parameters, {});
    const auto out = unet.forward(weights, "unet.", normals({4, 3, 16, 16}, 0).to(where), at::full({4}, 500.0).to(where),
                                  {normals({4, 5, 12}, 1).to(where)});
    out.square().mean().backward();
    optimizer.clip_gradients(1.0);
    optimizer.step(1e-3);
    results.push_back(weights.at("unet.conv_out.weight").detach());
  }
  EXPECT_LT(distance(results[0], results[1]), 1e-3 * 0.1) << "a tenth of what one step moves a weight";
}

}  // namespace
}  // namespace espalier::exec
