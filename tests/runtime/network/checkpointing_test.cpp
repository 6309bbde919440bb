#include "runtime/network/checkpointing.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <gtest/gtest.h>

#include "runtime/network/adapter.h"
#include "runtime/network/flops.h"
#include "runtime/network/unet.h"

namespace espalier::network {
namespace {

Value config() {
  return Value::Map{{"block_out_channels", Value::List{8, 16}},
                    {"layers_per_block", 1},
                    {"norm_num_groups", 4},
                    {"down_block_types", Value::List{"DownBlock2D", "CrossAttnDownBlock2D"}},
                    {"up_block_types", Value::List{"CrossAttnUpBlock2D", "UpBlock2D"}},
                    {"attention_head_dim", 4},
                    {"cross_attention_dim", 6},
                    {"sample_size", 8}};
}

at::Tensor waves(at::IntArrayRef shape, double frequency) {
  return at::linspace(0.0, frequency, c10::multiply_integers(shape)).view(shape).sin();
}

class Checkpointing : public ::testing::Test {
 protected:
  struct Trained {
    at::Tensor prediction;
    TensorMap gradients;
    double flops = 0;
  };
  // The gradients of the mean square of the prediction, of the weights that require any and of the text.
  Trained train(bool checkpointing) const {
    auto own = weights;
    for (auto& [name, tensor] : own) {
      const bool wanted = tensor.requires_grad();
      tensor = tensor.detach().clone();
      tensor.requires_grad_(wanted);
    }
    UNet::Conditions conditions;
    conditions.encoder_hidden_states = waves({2, 5, 6}, 40.0);
    conditions.encoder_hidden_states.requires_grad_();
    Trained trained;
    trained.flops = count_flops([&] {
      const GradientCheckpointing on(checkpointing);
      trained.prediction = unet.forward(own, "", waves({2, 4, 8, 8}, 300.0), at::full({2}, 500.0), conditions);
      trained.prediction.square().mean().backward();
    });
    for (const auto& [name, tensor] : own) {
      if (tensor.requires_grad()) trained.gradients[name] = tensor.grad();
    }
    trained.gradients["text"] = conditions.encoder_hidden_states.grad();
    return trained;
  }
  void expect_equal_gradients() const {
    const auto kept = train(false), again = train(true);
    EXPECT_TRUE(again.prediction.equal(kept.prediction));
    for (const auto& [name, gradient] : kept.gradients) {
      ASSERT_TRUE(gradient.defined()) << name;
      ASSERT_TRUE(again.gradients.at(name).defined()) << name;
      const auto largest = (again.gradients.at(name) - gradient).abs().max().item<double>();  // sums in another order
      EXPECT_LE(largest, 1e-5 * gradient.abs().max().item<double>()) << name;
    }
  }

  UNet unet{config(), "config"};
  TensorMap weights = unet.initialize("", 3);
};

TEST_F(Checkpointing, GivesTheSameGradientsOfAllWeights) {
  for (auto& [name, tensor] : weights) tensor.requires_grad_();
  expect_equal_gradients();
}

TEST_F(Checkpointing, GivesTheSameGradientsOfAnAdapter) {
  const std::string module = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k";
  weights[module + "." + std::string(kLoraA)] = waves({2, 6}, 9.0).requires_grad_();
  weights[module + "." + std::string(kLoraB)] = waves({16, 2}, 9.0).requires_grad_();
  expect_equal_gradients();
}

TEST_F(Checkpointing, ComputesTheBlocksOnceMore) {
  for (auto& [name, tensor] : weights) tensor.requires_grad_();
  const auto forward = 2 * unet.flops(8, 8, 5);
  const auto more = train(true).flops - train(false).flops;
  EXPECT_GT(more, 0.8 * forward);
  EXPECT_LT(more, forward);
}

TEST_F(Checkpointing, IsOffWithoutGradientsAndEndsWithItsScope) {
  const at::NoGradGuard no_grad;
  UNet::Conditions conditions;
  conditions.encoder_hidden_states = waves({2, 5, 6}, 40.0);
  const auto flops = [&] {
    return count_flops([&] { unet.forward(weights, "", waves({2, 4, 8, 8}, 300.0), at::full({2}, 1.0), conditions); });
  };
  const auto plain = flops();
  {
    const GradientCheckpointing on(true);
    EXPECT_TRUE(GradientCheckpointing::enabled());
    EXPECT_EQ(flops(), plain);
  }
  EXPECT_FALSE(GradientCheckpointing::enabled());
}

}  // namespace
}  // namespace espalier::network
