#include "plugins/shared/classifier/network.h"

#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include "runtime/base/errors.h"

namespace espalier::classifier {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const Config kSmall{1, {2}, {"dark", "bright"}};

TEST(Classifier, IsTheFunctionItsHeaderStates) {
  // Only the kernel's middle is 1 (channel 0) and -1 (channel 1): level 0 gives relu(x) and relu(-x) at every second pixel.
  Weights weights = initialize(kSmall, 1);
  for (auto& [name, tensor] : weights) tensor.zero_();
  weights.at("conv.0.weight")[0][0][1][1] = 1.0;
  weights.at("conv.0.weight")[1][0][1][1] = -1.0;
  weights.at("linear.weight")[0][1] = 2.0;  // dark: twice the mean of relu(-x)
  weights.at("linear.weight")[1][0] = 3.0;
  weights.at("linear.bias")[1] = 0.5;
  at::Tensor image = at::full({2, 1, 4, 4}, 0.25);  // x = -0.5
  image[1].fill_(0.75);                             // x = 0.5
  const at::Tensor out = logits(kSmall, weights, image);
  EXPECT_FLOAT_EQ(out[0][0].item<float>(), 1.0F);
  EXPECT_FLOAT_EQ(out[0][1].item<float>(), 0.5F);
  EXPECT_FLOAT_EQ(out[1][0].item<float>(), 0.0F);
  EXPECT_FLOAT_EQ(out[1][1].item<float>(), 2.0F);
  const at::Tensor pooled = features(kSmall, weights, image);  // one of two channels is dark in either image
  EXPECT_EQ(pooled.sizes().vec(), (std::vector<std::int64_t>{2, 2}));
  EXPECT_FLOAT_EQ(pooled[0][1].item<float>(), 0.5F);
  EXPECT_FLOAT_EQ(pooled[1][0].item<float>(), 0.5F);
  EXPECT_FLOAT_EQ(pooled[1][1].item<float>(), 0.0F);
}

TEST(Classifier, ConfigSurvivesARoundTrip) {
  const Config config{3, {8, 16}, {"a", "b", "c"}};
  const Config again = Config::from_value(config.to_value(), "test");
  EXPECT_EQ(again.to_value(), config.to_value());
  const Weights weights = initialize(config, 1);
  EXPECT_EQ(weights.at("conv.1.weight").sizes().vec(), (std::vector<std::int64_t>{16, 8, 3, 3}));
  EXPECT_NO_THROW(check(again, weights, "test"));
}

TEST(Classifier, RefusesForeignConfigsAndWeights) {
  Value value = kSmall.to_value();
  value["chanels"] = 3;
  EXPECT_THAT([&] { Config::from_value(value, "c.json"); }, ThrowsMessage<DataError>(HasSubstr("did you mean 'channels'?")));
  EXPECT_THAT([] { Config::from_value(Value::Map{{"type", "vit"}}, "c.json"); }, ThrowsMessage<DataError>(HasSubstr("c.json")));
  value = kSmall.to_value();
  value["channels"] = Value::List{0};
  EXPECT_THAT([&] { Config::from_value(value, "c.json"); }, ThrowsMessage<DataError>(HasSubstr("from 1 to")));
  Weights weights = initialize(kSmall, 1);
  weights.erase("linear.bias");
  EXPECT_THAT([&] { check(kSmall, weights, "w"); }, ThrowsMessage<DataError>(HasSubstr("linear.bias")));
}

}  // namespace
}  // namespace espalier::classifier
