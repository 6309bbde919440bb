#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <gtest/gtest.h>

#include "tests/conformance/conformance.h"
#include "tests/conformance/memory_view.h"
#include "tests/conformance/tensor_codec.h"

namespace espalier::conformance {
namespace {

// Five grey images of the pixels 0, 0.25, ... 1, and one of 0.5.
MetricInput grey_images() {
  const auto codec = std::make_shared<TensorCodec>("image", StateSpec{{"image", {{3, 8, 8}, at::kFloat}}});
  const auto grey = at::linspace(0, 1, 5).view({5, 1, 1, 1}).expand({5, 3, 8, 8}).contiguous();
  MetricInput input;
  input.key = {1, random::Purpose::evaluation};
  input.samples = {memory_view("greys", {{0, {{"image", grey}}}}, codec),
                   memory_view("middle", {{0, {{"image", at::full({1, 3, 8, 8}, 0.5)}}}}, codec)};
  return input;
}

TEST(Brightness, Conforms) { check_metric(plugin("metric.brightness"), {}, grey_images()); }

TEST(Brightness, HasARowForEachStage) {
  const auto findings = make<Metric>(plugin("metric.brightness"))->measure(grey_images());
  ASSERT_EQ(findings.tables.size(), 1u);
  EXPECT_EQ(findings.tables[0].rows, (std::vector<Value::List>{{"greys", 5, 0.5, 0.0, 1.0}, {"middle", 1, 0.5, 0.5, 0.5}}));
  ASSERT_EQ(findings.scalars.size(), 2u);
  EXPECT_EQ(findings.scalars[0].about.stage, "greys");
  EXPECT_LT(findings.scalars[0].low, 0.5);
  EXPECT_GT(findings.scalars[0].high, 0.5);
}

}  // namespace
}  // namespace espalier::conformance
