#include "plugins/shared/layout/feature_network.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <limits>

#include "plugins/shared/layout/generator.h"
#include "plugins/shared/layout/page.h"
#include "runtime/base/errors.h"

namespace espalier::layout {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const FeatureConfig kConfig{5, 16, 2};

Sample four_pages() {
  return sample_of({generate_page(1, 0, 12), generate_page(1, 1, 12), generate_page(1, 2, 12), generate_page(1, 3, 12)}, 12);
}

at::Tensor features(const Sample& sample) {
  return page_features(kConfig, initialize_features(kConfig, 3), sample.tensors.at("class"), sample.tensors.at("box"));
}

TEST(LayoutNetwork, DoesNotDependOnTheOrderOfBoxes) {
  Sample sample = four_pages();
  const auto before = features(sample);
  for (auto& [name, tensor] : sample.tensors) tensor = tensor.flip({1});
  EXPECT_TRUE(at::allclose(before, features(sample), 1e-4, 1e-5));
}

TEST(LayoutNetwork, DoesNotDependOnPadding) {
  Sample sample = four_pages();
  const auto before = features(sample);
  sample.tensors["class"] = at::cat({sample.tensors["class"], at::full({4, 3}, -1, at::kLong)}, 1);
  sample.tensors["box"] = at::cat({sample.tensors["box"], at::full({4, 3, 4}, std::numeric_limits<float>::quiet_NaN())}, 1);
  EXPECT_TRUE(at::allclose(before, features(sample), 1e-4, 1e-5));
}

TEST(LayoutNetwork, DependsOnClassesAndPlaces) {
  const auto before = features(four_pages());
  Sample sample = four_pages();
  sample.tensors["class"][0][0] = 3 - sample.tensors["class"][0][0];
  sample.tensors["box"][1][0][0] += 0.05;
  const auto moved = (features(sample) - before).abs().amax({1});  // [4]
  EXPECT_GT(moved[0].item<double>(), 1e-3);
  EXPECT_GT(moved[1].item<double>(), 1e-3);
  EXPECT_LT(moved[2].item<double>(), 1e-5);
}

TEST(LayoutNetwork, GivesFiniteFeaturesForAnEmptyPage) {
  const auto found = page_features(kConfig, initialize_features(kConfig, 3), at::full({2, 4}, -1, at::kLong), at::zeros({2, 4, 4}));
  EXPECT_TRUE(found.isfinite().all().item<bool>());
}

TEST(LayoutNetwork, MapsWhatEachClassCovers) {
  // the left half in class 0, the top left cell's quarter in class 2
  const Page page{{0, 2}, {{0.25, 0.5, 0.5, 1.0}, {0.03125, 0.03125, 0.0625, 0.0625}}};
  const Sample sample = sample_of({page}, 3);
  const auto map = page_map(sample.tensors.at("class"), sample.tensors.at("box"), 3);
  EXPECT_EQ(map.sizes().vec(), (std::vector<std::int64_t>{1, 3, kGrid, kGrid}));
  EXPECT_FLOAT_EQ(map[0][0].sum().item<float>(), 32.0F);
  EXPECT_FLOAT_EQ(map[0][0][7][3].item<float>(), 1.0F);
  EXPECT_FLOAT_EQ(map[0][0][7][4].item<float>(), 0.0F);
  EXPECT_FLOAT_EQ(map[0][1].sum().item<float>(), 0.0F);
  EXPECT_FLOAT_EQ(map[0][2][0][0].item<float>(), 0.25F);
  EXPECT_FLOAT_EQ(map[0][2].sum().item<float>(), 0.25F);
}

TEST(LayoutNetwork, IsKeptWithItsConfig) {
  const auto config = FeatureConfig::from_value(kConfig.to_value(), "test");
  EXPECT_EQ(config.to_value(), kConfig.to_value());
  const auto weights = initialize_features(kConfig, 3);
  EXPECT_NO_THROW(check_features(config, weights, "test"));
  EXPECT_EQ(digest_weights(weights), digest_weights(initialize_features(kConfig, 3)));
  EXPECT_THAT([] { check_features({6, 16, 2}, initialize_features(kConfig, 3), "test"); }, ThrowsMessage<DataError>(HasSubstr("test")));
  EXPECT_THAT([] { FeatureConfig::from_value(Value::Map{{"type", "unet"}}, "test"); }, ThrowsMessage<DataError>(HasSubstr("'unet'")));
  EXPECT_THAT([] { FeatureConfig::from_value(FeatureConfig{5, 18, 2}.to_value(), "test"); },
              ThrowsMessage<DataError>(HasSubstr("multiple of 4")));
  EXPECT_THAT([] { FeatureConfig::from_value(FeatureConfig{5, 16, 1'000'000'000'000}.to_value(), "test"); },
              ThrowsMessage<DataError>(HasSubstr("at most 65536")));
  Sample sample = four_pages();
  sample.tensors["class"][0][0] = 5;
  EXPECT_THAT([&] { features(sample); }, ThrowsMessage<StageError>(HasSubstr("has class 5")));
}

}  // namespace
}  // namespace espalier::layout
