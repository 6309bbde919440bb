#include "runtime/exec/embeddings.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <atomic>

#include "runtime/exec/context.h"
#include "tests/conformance/toy.h"

namespace espalier::exec {
namespace {

// Embeds a label as [label, rows of the pass].
class Counting final : public Network {
 public:
  Value architecture() const override { return Value(); }
  Weights initialize(std::uint64_t) const override { return {}; }
  State predict(const Weights&, const State& noisy, const at::Tensor&, const TensorMap&) const override { return noisy; }
  TensorMap embed(const Weights&, const TensorMap& condition) const override {
    const auto& label = condition.at("label");
    ++passes;
    rows += label.size(0);
    return {{"embedding", at::stack({label, label * 0 + label.size(0)}, 1)}};
  }
  mutable std::atomic<std::int64_t> passes = 0, rows = 0;
};

struct Embedded {
  std::shared_ptr<const Counting> network = std::make_shared<const Counting>();
  std::shared_ptr<const Model> model = [this] {
    auto toy = conformance::toy_model();
    toy.network = network;
    return std::make_shared<const Model>(std::move(toy));
  }();
  EncodedConditions conditions{{{"label", at::tensor({10, 11, 12, 13, 14}, at::kLong)}}, {{"label", at::tensor({99}, at::kLong)}}};
  BlockCache cache;

  explicit Embedded(std::int64_t most_bytes) : cache(most_bytes) {}
  ConditionEmbeddings with(std::int64_t micro_batch) { return {cache, model, conditions, micro_batch, at::kCPU}; }
};

TEST(ConditionEmbeddings, EmbedsEachConditionOnceARun) {
  Embedded all(1 << 20);
  for_each_parallel(12, 3, [&](std::size_t i) {
    const auto first = static_cast<std::int64_t>(i);
    const auto segment = all.with(2).at({first % 5, (first + 1) % 5});
    const auto label = at::tensor({10 + first % 5, 10 + (first + 1) % 5}, at::kLong), pass = at::tensor({2, 2}, at::kLong);
    EXPECT_TRUE(at::equal(segment.condition.at("label"), label));
    EXPECT_TRUE(at::equal(segment.embedded.at("embedding"), at::stack({label, pass}, 1))) << "row order, or a pass of another size";
    EXPECT_TRUE(at::equal(segment.null_embedded.at("embedding"), at::tensor({99, 1}, at::kLong).unsqueeze(0)));
  });
  EXPECT_EQ(all.network->passes, 3 + 1) << "five conditions in passes of two, and the null condition";
  EXPECT_EQ(all.network->rows, 6 + 1);
}

TEST(ConditionEmbeddings, KeepsOtherModelsConditionsAndPassesApart) {
  Embedded all(1 << 20);
  all.with(2).at({0, 1});
  EXPECT_TRUE(at::equal(all.with(4).at({0, 1}).embedded.at("embedding").select(1, 1), at::tensor({4, 4}, at::kLong)));
  all.conditions.tensors["label"] = all.conditions.tensors["label"] + 5;
  EXPECT_TRUE(at::equal(all.with(2).at({0}).embedded.at("embedding"), at::tensor({15, 2}, at::kLong).unsqueeze(0)));
  auto other = *all.model;
  other.info.digest = "another";
  const auto passes = all.network->passes.load();
  all.model = std::make_shared<const Model>(std::move(other));
  all.with(2).at({0});
  EXPECT_EQ(all.network->passes, passes + 2);
}

TEST(ConditionEmbeddings, EmbedsAgainWhatTheCacheHasNoRoomFor) {
  Embedded none(0);
  const auto once = none.with(2).at({4, 0}), again = none.with(2).at({4, 0});
  EXPECT_TRUE(at::equal(once.embedded.at("embedding"), again.embedded.at("embedding")));
  EXPECT_GT(none.network->passes, 4);
}

TEST(ConditionEmbeddings, OfADomainWithoutConditionsAreEmpty) {
  Embedded all(1 << 20);
  all.conditions = {};
  auto unconditional = *all.model;
  class Unconditional final : public Network {
   public:
    Value architecture() const override { return Value(); }
    Weights initialize(std::uint64_t) const override { return {}; }
    State predict(const Weights&, const State& noisy, const at::Tensor&, const TensorMap&) const override { return noisy; }
  };
  unconditional.network = std::make_shared<const Unconditional>();
  all.model = std::make_shared<const Model>(std::move(unconditional));
  const auto segment = all.with(2).at({0, 0});
  EXPECT_TRUE(segment.condition.empty() && segment.embedded.empty() && segment.null_embedded.empty());
}

}  // namespace
}  // namespace espalier::exec
