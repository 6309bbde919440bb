#include "plugins/trainer/ddpo/policy_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/files.h"
#include "runtime/base/value.h"

namespace espalier::ddpo {
namespace {

// Written by make_trl.py beside it, from trl's DDPOTrainer.loss.
constexpr const char* kGolden = ESPALIER_SOURCE_DIR "/plugins/trainer/ddpo/trl.json";

at::Tensor tensor_of(const Value& list) {
  std::vector<double> numbers;
  for (const auto& number : list.as_list()) numbers.push_back(number.as_number());
  return at::tensor(numbers, at::kDouble);
}

TEST(PolicyLoss, AndItsGradientAreThoseOfTrl) {
  const auto golden = parse_json(read_file(kGolden), kGolden);
  for (const auto& entry : golden.at("losses").as_list()) {
    const double clip_range = entry.at("clip_range").as_number();
    SCOPED_TRACE(clip_range);
    const auto log_prob = tensor_of(entry.at("log_prob")).requires_grad_();
    const auto found = policy_loss(log_prob, tensor_of(entry.at("old_log_prob")), tensor_of(entry.at("advantage")), clip_range);
    const auto loss = found.loss.mean();
    loss.backward();
    EXPECT_NEAR(loss.item<double>(), entry.at("loss").as_number(), 1e-12);
    EXPECT_LE((log_prob.grad() - tensor_of(entry.at("gradient"))).abs().max().item<double>(), 1e-12);
    EXPECT_NEAR(found.approx_kl.mean().item<double>(), entry.at("approx_kl").as_number(), 1e-12);
    EXPECT_NEAR(found.clipped.mean().item<double>(), entry.at("clip_fraction").as_number(), 1e-6);
  }
}

// A good step (A > 0) that became likelier than 1 + c, and a bad one that became less likely than 1 - c, have no gradient left.
TEST(PolicyLoss, ClipsOnlyWhatIsDoneAlready) {
  const double c = 0.1, up = std::log(1.2), down = std::log(0.8);
  const auto log_prob = at::tensor({up, up, down, down, 0.0}, at::kDouble).requires_grad_();
  const auto advantage = at::tensor({2.0, -2.0, 2.0, -2.0, 2.0}, at::kDouble);
  const auto found = policy_loss(log_prob, at::tensor({0.0, 0.0, 0.0, 0.0, 0.0}, at::kDouble), advantage, c);
  found.loss.sum().backward();
  const auto expect = [](const at::Tensor& tensor, const std::vector<double>& wanted) {
    EXPECT_LE((tensor - at::tensor(wanted, at::kDouble)).abs().max().item<double>(), 1e-12) << tensor;
  };
  expect(found.loss, {-2.2, 2.4, -1.6, 1.8, -2.0});
  expect(log_prob.grad(), {0.0, 2.4, -1.6, 0.0, -2.0});
  expect(found.clipped, {1.0, 1.0, 1.0, 1.0, 0.0});
  expect(found.approx_kl, {up * up / 2, up * up / 2, down * down / 2, down * down / 2, 0.0});
}

}  // namespace
}  // namespace espalier::ddpo
