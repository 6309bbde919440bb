#include "runtime/network/flops.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <thread>

#include "runtime/network/layers.h"

namespace espalier::network {
namespace {

// 2 a multiply-add, by hand.
TEST(Flops, OfALinearLayer) {
  const auto weight = at::ones({3, 7}), bias = at::ones({3});
  EXPECT_EQ(count_flops([&] { at::linear(at::ones({5, 7}), weight, bias); }), 2 * 5 * 7 * 3);
  EXPECT_EQ(count_flops([&] { at::linear(at::ones({2, 5, 7}), weight, bias); }), 2 * 2 * 5 * 7 * 3);
  EXPECT_EQ(count_flops([&] { at::linear(at::ones({2, 7, 5}).transpose(1, 2), weight); }), 2 * 2 * 5 * 7 * 3);
  EXPECT_EQ(count_flops([&] { at::matmul(at::ones({4, 2, 7}), at::ones({4, 7, 6})); }), 2 * 4 * 2 * 7 * 6);
}

TEST(Flops, OfAConvolution) {
  const auto x = at::ones({2, 4, 9, 8});  // stride 2, padding 1: 5 x 4
  EXPECT_EQ(count_flops([&] { at::conv2d(x, at::ones({6, 4, 3, 3}), at::ones({6}), 2, 1); }), 2 * (2 * 6 * 5 * 4) * (4 * 9));
  EXPECT_EQ(count_flops([&] { at::conv2d(x, at::ones({6, 2, 3, 3}), {}, 2, 1, 1, /*groups=*/2); }), 2 * (2 * 6 * 5 * 4) * (2 * 9));
  EXPECT_EQ(count_flops([&] { at::conv_transpose2d(x, at::ones({4, 3, 2, 2})); }), 2 * (2 * 4 * 9 * 8) * (3 * 4));
}

TEST(Flops, OfAnAttention) {
  const auto query = at::ones({2, 6, 8}), text = at::ones({2, 5, 8});  // 2 heads of 4
  EXPECT_EQ(count_flops([&] { attention(query, text, text, 2); }), 2 * 2 * (2 * 2 * 6 * 5 * 4));
}

TEST(Flops, AreTheWorksAlone) {
  const auto work = [] { at::linear(at::ones({5, 7}), at::ones({3, 7})); };
  const TensorMap norm{{"weight", at::ones({4})}, {"bias", at::ones({4})}};
  work();
  std::thread other;
  EXPECT_EQ(count_flops([&] {
              const at::NoGradGuard no_grad;
              work();
              other = std::thread(work);
              other.join();
              silu(group_norm(Scope(norm, ""), at::ones({1, 4, 2, 2}), 2, 1e-5));
            }),
            2 * 5 * 7 * 3);
  EXPECT_THROW(count_flops([&] {
                 work();
                 throw 1;
               }),
               int);
  EXPECT_EQ(count_flops([] {}), 0);
}

}  // namespace
}  // namespace espalier::network
