#include "plugins/metric/frechet_distance/inception.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "plugins/metric/frechet_distance/image_features.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/safetensors.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/memory_view.h"
#include "tests/conformance/toy.h"

namespace espalier::frechet_distance {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// inception_golden.json: make_inception_golden.py's, by pytorch-fid.
const Value& golden() {
  static const std::string path = std::string(ESPALIER_SOURCE_DIR) + "/plugins/metric/frechet_distance/inception_golden.json";
  static const Value value = parse_json(read_file(path), path);
  return value;
}

// Uniform in [0, 1), as the script's hashed().
double hashed(std::uint32_t tensor, std::uint32_t place) {
  std::uint32_t x = place * 2654435761U + tensor * 40503U + 12345U;
  for (int round = 0; round < 2; ++round) x = (x ^ (x >> 16)) * 0x45D9F3BU;
  return (x ^ (x >> 16)) / 4294967296.0;
}

at::Tensor filled(std::uint32_t tensor, const std::vector<std::int64_t>& shape, double centre, double half) {
  auto values = at::empty(shape, at::kFloat);
  auto* data = values.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    data[i] = static_cast<float>(centre + half * (2.0 * hashed(tensor, static_cast<std::uint32_t>(i)) - 1.0));
  }
  return values;
}

// The weights by the names and shapes that pytorch-fid gives them.
TensorMap hashed_weights() {
  TensorMap weights;
  std::uint32_t place = 0;
  for (const auto& tensor : golden().at("tensors").as_list()) {
    const auto& name = tensor.as_list()[0].as_string();
    std::vector<std::int64_t> shape;
    for (const auto& size : tensor.as_list()[1].as_list()) shape.push_back(size.as_integer());
    double centre = 0.0, half = 0.2;
    if (name.ends_with("conv.weight")) half = std::sqrt(6.0 / static_cast<double>(shape[1] * shape[2] * shape[3]));
    if (name.ends_with("bn.weight")) centre = 1.0, half = 0.3;
    if (name.ends_with("bn.running_var")) centre = 1.0, half = 0.5;
    weights[name] = filled(place++, shape, centre, half);
  }
  return weights;
}

class Inception : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);
    auto weights = hashed_weights();
    weights["Mixed_7c.branch_pool.bn.num_batches_tracked"] = at::zeros({}, at::kLong);  // as files have
    write(whole(), weights);
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder()); }

  static std::filesystem::path folder() {
    static const auto path = std::filesystem::path(testing::TempDir()) / ("espalier-" + unique_name());
    std::filesystem::create_directories(path);
    return path;
  }
  static std::filesystem::path whole() { return folder() / "inception.safetensors"; }
  static void write(const std::filesystem::path& path, const TensorMap& tensors) {
    std::ofstream(path, std::ios::binary) << modelfile::format_safetensors(tensors);
  }
  // The message of reading the weights less `missing` and with `others`.
  static std::string refusal(const std::string& missing, const TensorMap& others = {}) {
    auto weights = modelfile::read_safetensors(whole());
    weights.erase(missing);
    for (const auto& [name, tensor] : others) weights[name] = tensor;
    write(folder() / "bad.safetensors", weights);
    try {
      inception::read(folder() / "bad.safetensors");
    } catch (const DataError& error) {
      return error.what();
    }
    return "nothing was refused";
  }
};

View one_image(const at::Tensor& image) {
  return conformance::memory_view("one", {{0, {{"sample", image * 2.0 - 1.0}}}}, conformance::toy_domain()->codec(nullptr));
}

// Rounding, resizing and grey images included.
TEST_F(Inception, FeaturesAreThoseOfPytorchFid) {
  const auto domain = conformance::toy_domain();
  const ImageFeatures features(inception_network(inception::read(whole())), kResizeOfNetwork, domain.get());
  EXPECT_EQ(features.resize(), "bilinear_299");
  std::uint32_t place = 1000;
  for (const auto& wanted : golden().at("features").as_list()) {
    std::vector<std::int64_t> shape{1};
    for (const auto& size : golden().at("images").as_list()[place - 1000].as_list()) shape.push_back(size.as_integer());
    const auto bytes = (filled(place++, shape, 0.5, 0.5) * 256.0).floor();
    const auto found = features.of(one_image((bytes + 0.3) / 255.0));  // off the 8-bit values, to be rounded to them
    ASSERT_EQ(found.sizes().vec(), (std::vector<std::int64_t>{1, inception::kFeatures}));
    std::vector<double> expected;
    for (const auto& value : wanted.as_list()) expected.push_back(value.as_number());
    const auto theirs = at::tensor(expected, at::kDouble);
    const auto ours = found[0].slice(0, 0, inception::kFeatures, golden().at("every").as_integer());
    EXPECT_LT((ours - theirs).abs().max().item<double>(), 1e-4 * theirs.abs().max().item<double>());
  }
}

TEST_F(Inception, RefusesSmallImagesAndNamesTheResizeToSet) {
  const auto domain = conformance::toy_domain();
  const ImageFeatures features(inception_network(inception::read(whole())), kNoResize, domain.get());
  EXPECT_THAT([&] { features.of(one_image(at::zeros({1, 3, 74, 80}))); },
              ThrowsMessage<StageError>(AllOf(HasSubstr("74 x 80"), HasSubstr("75 x 75 at least; set resize = \"bilinear_299\""))));
  EXPECT_EQ(features.of(one_image(at::zeros({1, 3, 75, 80}))).size(1), inception::kFeatures);
}

TEST_F(Inception, WeightsThatAreNotItsOwnAreNamed) {
  EXPECT_THAT(refusal("Mixed_6c.branch7x7dbl_4.bn.running_var"),
              AllOf(HasSubstr("bad.safetensors"), HasSubstr("no tensor 'Mixed_6c.branch7x7dbl_4.bn.running_var'")));
  EXPECT_THAT(refusal("", {{"Conv2d_1a_3x3.conv.weight", at::zeros({32, 1, 3, 3})}}),
              AllOf(HasSubstr("'Conv2d_1a_3x3.conv.weight' has the shape [32, 1, 3, 3]"), HasSubstr("[32, 3, 3, 3]")));
  EXPECT_THAT(refusal("", {{"fc.weight", at::zeros({1000, 2048})}}), HasSubstr("'fc.weight' has the shape [1000, 2048]"));
  EXPECT_THAT(refusal("", {{"AuxLogits.fc.bias", at::zeros({1000})}}), HasSubstr("'AuxLogits.fc.bias'"));
}

TEST_F(Inception, TheKeyFollowsTheWeights) {
  const auto domain = conformance::toy_domain();
  const auto identity = [&](const std::filesystem::path& path) {
    return conformance::make<Metric>(conformance::plugin("metric.frechet_distance"), {{"inception", path.string()}})->identity(*domain);
  };
  const auto first = identity(whole());
  EXPECT_EQ(first.at("weights").as_string(), digest_weights(inception::read(whole())));
  auto weights = modelfile::read_safetensors(whole());
  weights["Mixed_7c.branch_pool.bn.num_batches_tracked"] += 1;  // no part of the function
  write(folder() / "other.safetensors", weights);
  EXPECT_EQ(identity(folder() / "other.safetensors"), first);
  weights["Mixed_5b.branch1x1.bn.bias"] += 1e-3;
  write(folder() / "other.safetensors", weights);
  EXPECT_NE(identity(folder() / "other.safetensors"), first);
}

}  // namespace
}  // namespace espalier::frechet_distance
