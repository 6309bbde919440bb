#include "runtime/network/element_transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/network/flops.h"
#include "runtime/random/draws.h"

namespace espalier::network {
namespace {

Value small_config(int distance_features) {
  return Value::Map{{"num_classes", 5},    {"vector_dim", 3},    {"hidden_size", 16}, {"num_layers", 2},
                    {"num_heads", 2},      {"mlp_ratio", 2},     {"max_elements", 9}, {"num_distance_features", distance_features},
                    {"num_pair_heads", 4}, {"distance_range", 4}};
}

random::Draws draws_of(std::int64_t rows) {
  std::vector<std::uint64_t> ids(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = i;
  return {{.seed = 7, .purpose = random::Purpose::initialization, .round = 0, .branch = 0}, ids};
}

// Weights as after training: nothing is 0 any more.
TensorMap trained(const ElementTransformer& network, at::ScalarType type = at::kFloat) {
  auto weights = network.initialize("net.", 3);
  auto draws = draws_of(1);
  std::uint32_t ordinal = 1000;
  for (auto& [name, weight] : weights) {
    draws.begin(ordinal++);
    weight = (weight + 0.2 * draws.normals(weight.sizes().vec()).select(0, 0)).to(type);
  }
  return weights;
}

// Rows of `lengths` elements each, padded to `elements`, with every field different from element to element.
ElementInput example(const std::vector<std::int64_t>& lengths, std::int64_t elements) {
  const auto rows = static_cast<std::int64_t>(lengths.size());
  auto draws = draws_of(rows);
  ElementInput input;
  input.token = draws.integers({elements}, 6);
  input.vector = draws.normals({elements, 3});
  input.present = at::zeros({rows, elements}, at::kBool);
  for (std::int64_t b = 0; b < rows; ++b) input.present.select(0, b).narrow(0, 0, lengths[static_cast<std::size_t>(b)]).fill_(true);
  input.frozen = draws.uniforms({elements, 2}) < 0.3;
  input.visit = at::arange(rows) % 5 - 1;
  input.timestep = at::arange(rows).to(at::kFloat) * 100;
  return input;
}

ElementInput rows(const ElementInput& input, std::int64_t begin, std::int64_t count) {
  const auto cut = [&](const at::Tensor& x) { return x.narrow(0, begin, count); };
  return {cut(input.token), cut(input.vector), cut(input.present), cut(input.frozen), cut(input.visit), cut(input.timestep)};
}

// The largest difference, as a share of the largest value where that is above 1.
double difference(const ElementOutput& a, const ElementOutput& b) {
  const auto of = [](const at::Tensor& x, const at::Tensor& y) {
    if (x.sizes() != y.sizes()) return std::numeric_limits<double>::infinity();
    return (x - y).abs().max().item<double>() / std::max(1.0, y.abs().max().item<double>());
  };
  return std::max(of(a.logits, b.logits), of(a.vector, b.vector));
}

class WithDistances : public testing::TestWithParam<int> {
 protected:
  ElementTransformer network{small_config(GetParam()), "config.json"};
  TensorMap weights = trained(network);
  at::NoGradGuard no_grad;

  ElementOutput run(const ElementInput& input) const { return network.forward(weights, "net.", input); }
};
INSTANTIATE_TEST_SUITE_P(ElementTransformer, WithDistances, testing::Values(0, 8));

TEST_P(WithDistances, PermutesItsOutputsWithItsElements) {
  const auto input = example({9, 6, 1}, 9);
  const auto expected = run(input);
  auto draws = draws_of(1);
  for (std::uint32_t trial = 0; trial < 5; ++trial) {
    draws.begin(trial);
    const auto order = at::argsort(draws.uniforms({9}).select(0, 0));  // element order[i] goes to place i
    const auto inverse = at::argsort(order);
    const auto permuted = [&order](const at::Tensor& x) { return x.index_select(1, order); };
    const auto element = at::where(input.visit < 0, at::zeros({}, at::kLong), input.visit.floor_divide(2));
    const auto visit = at::where(input.visit < 0, input.visit, 2 * inverse.index_select(0, element) + input.visit.remainder(2));
    const auto output =
        run({permuted(input.token), permuted(input.vector), permuted(input.present), permuted(input.frozen), visit, input.timestep});
    EXPECT_LT(difference(output, {permuted(expected.logits), permuted(expected.vector)}), 1e-5);
  }
}

TEST_P(WithDistances, NeverReadsAnAbsentElement) {
  const auto input = example({4, 9, 0}, 9);
  const auto expected = run(input);
  auto other = input;
  const auto absent = input.present.logical_not();
  other.token = input.token.masked_fill(absent, 77);  // no class at all
  other.vector = input.vector.masked_fill(absent.unsqueeze(-1), std::numeric_limits<double>::quiet_NaN());
  other.frozen = input.frozen.logical_xor(absent.unsqueeze(-1));
  EXPECT_EQ(difference(run(other), expected), 0.0);
  EXPECT_EQ(expected.logits.masked_select(absent.unsqueeze(-1)).abs().max().item<double>(), 0.0);
  EXPECT_EQ(expected.vector.masked_select(absent.unsqueeze(-1)).abs().max().item<double>(), 0.0);
  EXPECT_GT(expected.logits.select(0, 0).narrow(0, 0, 4).abs().min().item<double>(), 0.0);
}

TEST_P(WithDistances, ReadsEveryFieldOfAPresentElement) {
  const auto input = example({5}, 5);
  const auto expected = run(input);
  const auto changes = [&](const std::function<void(ElementInput&)>& change) {
    auto other = input;
    change(other);
    const auto output = run(other);  // of another element than the one changed: attention carries it there
    return (output.logits - expected.logits).select(1, 4).abs().max().item<double>();
  };
  EXPECT_GT(changes([](ElementInput& x) { x.token = (x.token + (at::arange(5) == 0).to(at::kLong)).remainder(6); }), 1e-4);
  EXPECT_GT(changes([](ElementInput& x) { x.vector = x.vector + (at::arange(5) == 0).unsqueeze(-1); }), 1e-4);
  EXPECT_GT(changes([](ElementInput& x) { x.frozen = x.frozen.logical_xor((at::arange(5) == 0).view({1, 5, 1})); }), 1e-4);
  EXPECT_GT(changes([](ElementInput& x) { x.present = x.present.logical_and(at::arange(5) != 0); }), 1e-4);
  EXPECT_GT(changes([](ElementInput& x) { x.visit = at::full({1}, 2, at::kLong); }), 1e-4);
  EXPECT_GT(changes([](ElementInput& x) { x.visit = at::full({1}, 3, at::kLong); }), 1e-4);
  EXPECT_GT(changes([](ElementInput& x) { x.timestep = x.timestep + 300; }), 1e-4);
}

TEST_P(WithDistances, GivesTheSameTrimmedPackedOrPadded) {
  const auto input = example({3, 7, 5, 0}, 14);  // packed: of 28 elements after trimming, 15 are present
  const auto expected = run(input);
  const auto trimmed = trim(input);
  EXPECT_EQ(trimmed.token.size(1), 7);
  EXPECT_LT(difference(pad(run(trimmed), 14), expected), 1e-6);
  for (std::int64_t b = 0; b < 3; ++b) {
    const auto length = std::vector<std::int64_t>{3, 7, 5}[static_cast<std::size_t>(b)];
    const auto alone = trim(rows(input, b, 1));  // all present: nothing is packed
    EXPECT_EQ(alone.token.size(1), length);
    const ElementOutput row{expected.logits.narrow(0, b, 1), expected.vector.narrow(0, b, 1)};
    EXPECT_LT(difference(run(alone), pad(row, length)), 1e-6);
  }
}

TEST_P(WithDistances, TakesAnEmptyBatchAndSetsOfNothing) {
  const auto input = example({3, 2}, 4);
  EXPECT_EQ(run(rows(input, 0, 0)).logits.sizes(), (std::vector<std::int64_t>{0, 4, 5}));
  EXPECT_EQ(run(example({0, 0}, 4)).vector.abs().sum().item<double>(), 0.0);
  EXPECT_EQ(run(example({0, 0}, 0)).vector.sizes(), (std::vector<std::int64_t>{2, 0, 3}));
}

TEST_P(WithDistances, CostsWhatIsPresent) {
  const auto products = [&](const std::vector<std::int64_t>& lengths, std::int64_t elements) {
    return count_flops([&] { run(example(lengths, elements)); });
  };
  EXPECT_EQ(products({4, 4}, 40), products({4, 4}, 4));
  EXPECT_LT(products({12, 2, 2, 2, 2, 2}, 12), 0.6 * products({12, 12, 12, 12, 12, 12}, 12));
}

TEST_P(WithDistances, KeepsRowsApart) {
  const auto input = example({3, 9, 0, 5}, 9);
  const auto together = run(input);
  for (std::int64_t b = 0; b < 4; ++b) {
    const auto alone = run(rows(input, b, 1));
    EXPECT_LT(difference(alone, {together.logits.narrow(0, b, 1), together.vector.narrow(0, b, 1)}), 1e-6) << b;
  }
  auto one_time = input, all_times = input;
  one_time.timestep = at::full({1}, 250.0);
  all_times.timestep = at::full({4}, 250.0);
  EXPECT_LT(difference(run(one_time), run(all_times)), 1e-6);
}

TEST_P(WithDistances, GivesNumbersForAnEmptySetAndItsGradient) {
  const at::AutoGradMode with_grad(true);
  for (auto& [name, weight] : weights) weight.requires_grad_(true);
  const auto output = run(example({0, 2}, 3));
  (output.logits.square().sum() + output.vector.square().sum()).backward();
  for (const auto& [name, weight] : weights) EXPECT_TRUE(weight.grad().isfinite().all().item<bool>()) << name;
  EXPECT_EQ(output.logits.select(0, 0).abs().max().item<double>(), 0.0);
}

TEST_P(WithDistances, LeavesItsInputsAlone) {
  const auto input = example({3, 5}, 6);
  const auto vector = input.vector.clone(), token = input.token.clone();
  const auto before = weights.at("net.transformer_blocks.0.ff.net.2.weight").clone();
  run(input);
  EXPECT_TRUE(at::equal(input.vector, vector) && at::equal(input.token, token));
  EXPECT_TRUE(at::equal(weights.at("net.transformer_blocks.0.ff.net.2.weight"), before));
  const at::AutoGradMode with_grad(true);
  EXPECT_LT(difference(run(input),
                       [&] {
                         const at::NoGradGuard off;
                         return run(input);
                       }()),
            1e-6);  // what is done in place changes nothing
}

// The derivative along one random direction in each weight, and in the vectors, against central differences.
void expect_gradients(const ElementTransformer& network, TensorMap weights, ElementInput input) {
  const double step = 1e-5;
  const at::AutoGradMode with_grad(true);
  input.vector = input.vector.to(at::kDouble).requires_grad_(true);
  for (auto& [name, weight] : weights) weight.requires_grad_(true);
  const auto loss = [&](const TensorMap& at_weights, const ElementInput& at_input) {
    const auto output = network.forward(at_weights, "net.", at_input);
    return output.logits.sin().sum() + output.vector.sin().sum();
  };
  loss(weights, input).backward();
  const at::NoGradGuard off;
  auto draws = draws_of(1);
  std::uint32_t ordinal = 0;
  const auto compare = [&](const at::Tensor& x, const std::function<at::Tensor(const at::Tensor&)>& loss_at, const std::string& name) {
    draws.begin(ordinal++);
    const auto v = draws.normals(x.sizes().vec()).select(0, 0).to(at::kDouble);
    const auto slope = (x.grad() * v).sum().item<double>();
    const auto expected = (loss_at(x + step * v) - loss_at(x - step * v)).item<double>() / (2 * step);
    EXPECT_NEAR(slope, expected, 1e-6 * std::max(1.0, std::abs(slope))) << name;
  };
  for (const auto& [name, weight] : weights) {
    compare(
        weight,
        [&](const at::Tensor& value) {
          auto moved = weights;
          moved[name] = value;
          return loss(moved, input);
        },
        name);
  }
  compare(
      input.vector,
      [&](const at::Tensor& value) {
        auto moved = input;
        moved.vector = value;
        return loss(weights, moved);
      },
      "vector");
}

TEST_P(WithDistances, HasTheGradientOfFiniteDifferences) {
  expect_gradients(network, trained(network, at::kDouble), example({4, 2}, 5));  // packed
  expect_gradients(network, trained(network, at::kDouble), example({4, 4}, 4));
}

// By hand, 2 a multiply-add.
TEST(ElementTransformer, CountsItsProducts) {
  const ElementTransformer network(small_config(8), "config.json");
  const auto weights = network.initialize("", 1);
  const auto input = example({5, 5, 5}, 5);
  const double b = 3, m = 5, c = 16, k = 5, d = 3, r = 8, heads = 2, pair_heads = 4, layers = 2, inner = 2 * c;
  const double time = 2 * b * c * (2 * c + layers * 6 * c + 2 * c + pair_heads);
  const double block = 2 * b * m * c * (3 * c + c + 2 * inner) + 2 * 2 * b * m * m * c;
  const double ends = 2 * b * m * c * (d + 4 + k + d);
  const double pairs = 2 * b * m * m * (r * (layers * heads + pair_heads) + c + d) + 2 * b * m * c * 2 * c;
  const at::NoGradGuard no_grad;
  EXPECT_EQ(count_flops([&] { network.forward(weights, "", input); }), time + layers * block + ends + pairs);
}

// Weights with no linear path: the vector output is made of differences, and turns with the set.
TEST(ElementTransformer, MovesAlongDifferences) {
  const ElementTransformer network(small_config(8), "config.json");
  auto weights = trained(network);
  for (const auto* name : {"net.vector_embedding.weight", "net.proj_vector.weight", "net.proj_vector.bias"}) {
    weights[name] = at::zeros_like(weights.at(name));
  }
  const at::NoGradGuard no_grad;
  auto input = example({6, 4}, 6);
  const auto expected = network.forward(weights, "net.", input);
  const double angle = 0.7;
  auto turn = at::zeros({3, 3});
  turn[0][0] = turn[1][1] = std::cos(angle);
  turn[0][1] = std::sin(angle);
  turn[1][0] = -std::sin(angle);
  turn[2][2] = -1.0;
  input.vector = input.vector.matmul(turn) + 3.0;
  const auto turned = network.forward(weights, "net.", input);
  EXPECT_GT(expected.vector.abs().max().item<double>(), 0.01);
  EXPECT_LT(difference(turned, {expected.logits, expected.vector.matmul(turn)}), 1e-5);
}

TEST(ElementTransformer, StartsAtZeroAndAsAFunctionOfTheSeed) {
  const ElementTransformer network(small_config(8), "config.json");
  const auto weights = network.initialize("", 1), again = network.initialize("", 1), other = network.initialize("", 2);
  network.check(weights, "", "here");
  for (const auto& [name, weight] : weights) EXPECT_TRUE(at::equal(weight, again.at(name))) << name;
  EXPECT_FALSE(at::equal(weights.at("token_embedding.weight"), other.at("token_embedding.weight")));
  const auto output = network.forward(weights, "", example({5, 3}, 5));
  EXPECT_EQ(output.logits.abs().max().item<double>() + output.vector.abs().max().item<double>(), 0.0);
}

std::string refusal(const std::string& key, Value value) {
  auto config = small_config(8);
  config[key] = std::move(value);
  try {
    const ElementTransformer network(config, "elements/config.json");
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ElementTransformer, CompletesItsConfigAndReadsItBack) {
  const ElementTransformer network(Value::Map{{"num_classes", 5}, {"vector_dim", 3}, {"max_elements", 29}}, "config.json");
  EXPECT_EQ(ElementTransformer(network.config(), "again").config(), network.config());
  EXPECT_EQ(parse_json(to_json(network.config()), "json"), network.config());
  EXPECT_EQ(network.config().at("_class_name").as_string(), "ElementTransformer");
  EXPECT_EQ(network.structure().hidden_size, 128);
  EXPECT_EQ(network.structure().max_elements, 29);
  EXPECT_EQ(refusal("distance_range", 4.0), "no error");
}

TEST(ElementTransformer, RefusesConfigsByNameAndKey) {
  using testing::AllOf, testing::HasSubstr;
  EXPECT_THAT(refusal("num_head", 2), AllOf(HasSubstr("elements/config.json"), HasSubstr("did you mean 'num_heads'")));
  EXPECT_THAT(refusal("_class_name", "UNet2DConditionModel"), HasSubstr("ElementTransformer"));
  EXPECT_THAT(refusal("num_heads", 3), HasSubstr("num_heads = 3; it must be a divisor of hidden_size"));
  EXPECT_THAT(refusal("num_pair_heads", 3), HasSubstr("a divisor of hidden_size"));
  EXPECT_THAT(refusal("hidden_size", 15), HasSubstr("even"));
  EXPECT_THAT(refusal("hidden_size", 1'000'000), HasSubstr("from 1 to 65536"));
  EXPECT_THAT(refusal("num_layers", 0), HasSubstr("num_layers = 0"));
  EXPECT_THAT(refusal("num_classes", nullptr), HasSubstr("num_classes = null"));
  EXPECT_THAT(refusal("num_distance_features", 1), HasSubstr("at least 2"));
  EXPECT_THAT(refusal("num_distance_features", -1), HasSubstr("num_distance_features = -1"));
  EXPECT_THAT(refusal("distance_range", 0), HasSubstr("a finite number > 0"));
  EXPECT_THAT(refusal("distance_range", "far"), HasSubstr("distance_range"));
  EXPECT_THAT(refusal("activation_fn", "relu"), HasSubstr("is not supported"));
}

TEST(ElementTransformer, RefusesInputsOfOtherShapesAndMissingWeights) {
  const ElementTransformer network(small_config(0), "config.json");
  auto weights = network.initialize("", 1);
  auto input = example({2}, 4);
  input.vector = input.vector.narrow(2, 0, 2);
  EXPECT_THROW(network.forward(weights, "", input), InternalError);
  weights.erase("transformer_blocks.1.attn.to_qkv.bias");
  EXPECT_THROW(network.forward(weights, "", example({2}, 4)), DataError);
}

}  // namespace
}  // namespace espalier::network
