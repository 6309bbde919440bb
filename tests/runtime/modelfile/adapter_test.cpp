#include "runtime/modelfile/adapter.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/adapter_file.h"
#include "runtime/modelfile/folder.h"
#include "runtime/modelfile/safetensors.h"
#include "runtime/network/adapter.h"
#include "tests/runtime/base/folder.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;
using testing::AllOf, testing::HasSubstr, testing::ThrowsMessage;

const std::string kMap = "unet.mid_block.to_q", kConv = "unet.conv_in";
const std::string kMetadata = "lora_adapter_metadata";

// Of a U-Net's two modules and a text encoder's one.
Model base_model() {
  Model model;
  model.weights = {{kMap + ".weight", at::randn({5, 6})},
                   {kConv + ".weight", at::randn({3, 4, 3, 3})},
                   {"unet.norm.weight", at::randn({6})},
                   {"text_encoder.to_q.weight", at::randn({5, 6})}};
  model.info.digest = digest_weights(model.weights);
  model.info.last_step = Step(0.5);
  return model;
}

TensorMap pair(const std::string& module, const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  return {{module + ".lora_A.weight", at::randn(a)}, {module + ".lora_B.weight", at::randn(b)}};
}
TensorMap map_pair() { return pair(kMap, {2, 6}, {5, 2}); }

class Adapter : public testing::Test {
 protected:
  fs::path write(const TensorMap& tensors, const std::map<std::string, std::string>& metadata = {{"format", "pt"}}) {
    const auto path = folder_.path() / fmt("adapter_{}.safetensors", ++files_);
    write_durable(path, format_safetensors(tensors, metadata));
    return path;
  }
  static std::string fmt(std::string text, int number) { return text.replace(text.find("{}"), 2, std::to_string(number)); }
  // lora_B of the only module over what the file has.
  double scale(const TensorMap& tensors, const std::string& config = "") {
    const auto read = read_adapter(config.empty() ? write(tensors) : write(tensors, {{kMetadata, config}}));
    return (read.at(kMap + ".lora_B.weight") / tensors.at(kMap + ".lora_B.weight")).mean().item<double>();
  }
  void expect_refused(const TensorMap& tensors, const std::string& what, const std::string& right) {
    const auto file = write(tensors);
    EXPECT_THAT([&] { with_adapter(base_, file); },
                ThrowsMessage<DataError>(AllOf(HasSubstr(file.string()), HasSubstr(what), HasSubstr(right))));
  }
  TemporaryFolder folder_;
  int files_ = 0;
  Model base_ = base_model();
};

TEST_F(Adapter, SharesTheBaseAndHasADigestOfBoth) {
  auto tensors = map_pair();
  tensors.merge(pair(kConv, {2, 4, 3, 3}, {3, 2, 1, 1}));
  const auto model = with_adapter(base_, write(tensors));
  EXPECT_EQ(model.weights.size(), base_.weights.size() + 4);
  for (const auto& [name, tensor] : base_.weights) EXPECT_EQ(model.weights.at(name).data_ptr(), tensor.data_ptr()) << name;
  EXPECT_EQ(model.info.base, base_.info.digest);
  EXPECT_EQ(model.info.last_step, Step(0.5)) << "an adapter of others is for the steps of its base";
  EXPECT_NE(model.info.digest, base_.info.digest);
  EXPECT_EQ(with_adapter(base_, write(tensors)).info.digest, model.info.digest);
  auto other = base_;
  other.info.digest = "other";
  EXPECT_NE(with_adapter(other, write(tensors)).info.digest, model.info.digest);
}

TEST_F(Adapter, HasTheScaleOfAlphaOverRank) {
  auto tensors = map_pair();
  EXPECT_NEAR(scale(tensors), 1.0, 1e-6);
  EXPECT_NEAR(scale(tensors, R"({"unet.r": 2, "unet.lora_alpha": 5})"), 2.5, 1e-5);
  EXPECT_NEAR(scale(tensors, R"({"unet.r": 2, "unet.lora_alpha": 5, "unet.use_rslora": true})"), 5 / std::sqrt(2.0), 1e-5);
  EXPECT_NEAR(scale(tensors, R"({"unet.lora_alpha": 5, "unet.alpha_pattern": {"to_k": 1, "mid_block.to_q": 8}})"), 4.0, 1e-5);
  EXPECT_NEAR(scale(tensors, R"({"unet.lora_alpha": 5, "unet.alpha_pattern": {"^to_q": 1, "^mid_block.to_q": 8}})"), 4.0, 1e-5);
  EXPECT_THAT([&] { scale(tensors, R"({"unet.lora_alpha": 5, "unet.alpha_pattern": {"mid.*": 1}})"); },
              ThrowsMessage<DataError>(HasSubstr("'mid.*' is a regular expression")));
  EXPECT_NEAR(scale(tensors, R"({"text_encoder.lora_alpha": 5})"), 1.0, 1e-6) << "of another component";
  tensors[kMap + ".alpha"] = at::full({}, 3.0, at::kFloat);
  EXPECT_NEAR(scale(tensors), 1.5, 1e-5);
}

TEST_F(Adapter, IsFloat32WhateverTheFileHas) {
  auto tensors = map_pair();
  for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kHalf);
  const auto read = read_adapter(write(tensors));
  for (const auto& [name, tensor] : read) {
    EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
    EXPECT_TRUE(at::equal(tensor, tensors.at(name).to(at::kFloat))) << name;
  }
}

TEST_F(Adapter, ReadsTheNamesOfDiffusersScripts) {
  const auto tensors = map_pair();
  const TensorMap renamed{{kMap + ".lora.down.weight", tensors.at(kMap + ".lora_A.weight")},
                          {kMap + ".lora.up.weight", tensors.at(kMap + ".lora_B.weight")}};
  EXPECT_EQ(digest_weights(read_adapter(write(renamed))), digest_weights(read_adapter(write(tensors))));
}

TEST_F(Adapter, OfNamesOfOtherProgramsSaysWhatConvertsIt) {
  const auto named = [](const std::string& name) { return TensorMap{{name, at::zeros({2, 2})}}; };
  expect_refused(named("lora_unet_mid_block_to_q.lora_down.weight"), "kohya", "save_lora_weights");
  expect_refused(named("unet.mid_block.processor.to_q_lora.down.weight"), "earlier diffusers", "save_lora_weights");
  expect_refused(named("base_model.model.mid_block.to_q.lora_A.weight"), "PEFT's own file", "save_lora_weights");
  expect_refused(named("text_encoder.to_q.lora_A.weight"), "text encoder", "unet_lora_layers");
  expect_refused(named(kMap + ".lora_magnitude_vector"), "DoRA", "take a LoRA");
  expect_refused(named(kMap + ".lora_B.bias"), "no tensor of a LoRA", "lora_A.weight");
}

TEST_F(Adapter, OfModulesOrShapesThatTheBaseHasNotIsRefused) {
  expect_refused(pair("unet.mid_block.to_v", {2, 6}, {5, 2}), "no module 'unet.mid_block.to_v'", "did you mean 'unet.mid_block.to_q'?");
  expect_refused(pair("mid_block.to_q", {2, 6}, {5, 2}), "no module 'mid_block.to_q'", "did you mean 'unet.mid_block.to_q'?");
  expect_refused(pair("unet.norm", {2, 6}, {6, 2}), "no module 'unet.norm'", "can have an adapter");
  expect_refused(pair(kMap, {2, 7}, {5, 2}), "'unet.mid_block.to_q.lora_A.weight' has the shape [2, 7]", "it is [2, 6]");
  expect_refused(pair(kMap, {2, 6}, {5, 3}), "'unet.mid_block.to_q.lora_B.weight' has the shape [5, 3]", "it is [5, 2]");
  expect_refused(pair(kConv, {2, 4}, {3, 2}), "lora_A.weight' has the shape [2, 4]", "it is [2, 4, 3, 3]");
  auto alone = map_pair();
  alone.erase(kMap + ".lora_B.weight");
  expect_refused(alone, "'" + kMap + "' has no tensor", "lora_B.weight");
  auto broken = map_pair();
  broken.at(kMap + ".lora_A.weight")[0][0] = std::numeric_limits<float>::quiet_NaN();
  expect_refused(broken, kMap + ".lora_A.weight", "not finite");
  expect_refused({}, "holds no tensor", "no adapter");
}

TEST_F(Adapter, ThatWasNeverTrainedIsRefused) {
  auto tensors = map_pair();
  const auto file = write(tensors);
  EXPECT_NO_THROW(require_trained_adapter(with_adapter(base_, file), file));
  tensors.at(kMap + ".lora_B.weight").zero_();
  const auto zero = write(tensors);
  EXPECT_THAT([&] { require_trained_adapter(with_adapter(base_, zero), zero); },
              ThrowsMessage<DataError>(AllOf(HasSubstr(kMap), HasSubstr("never trained"))));
}

TEST_F(Adapter, WrittenIsReadAgainWithItsSteps) {
  auto model = with_adapter(base_, write(map_pair()));
  model.info.last_step = Step(std::int64_t{3});
  model.info.trained_num_steps = 10;
  const auto folder = folder_.path() / "saved";
  fs::create_directory(folder);
  save(model, folder);
  std::set<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.insert(entry.path().filename());
  EXPECT_EQ(files, (std::set<std::string>{"pytorch_lora_weights.safetensors", "espalier.json"})) << "the base is not written again";
  EXPECT_EQ(with_adapter(base_, folder).info.to_value(), model.info.to_value());
  EXPECT_EQ(with_adapter(base_, folder / kAdapterFile).info.to_value(), model.info.to_value());
  EXPECT_THAT([&] { load(folder, network::engine_networks()); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("holds an adapter"), HasSubstr("adapter = \"" + folder.string()))));
}

TEST_F(Adapter, OfAnotherBaseOrOtherBytesIsRefused) {
  const auto folder = folder_.path() / "saved";
  fs::create_directory(folder);
  save(with_adapter(base_, write(map_pair())), folder);
  const auto other = base_model();
  EXPECT_THAT(
      [&] { with_adapter(other, folder); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("for the base " + base_.info.digest.substr(0, 12)), HasSubstr("it was trained from"))));
  fs::remove(folder / kAdapterFile);
  write_durable(folder / kAdapterFile, format_safetensors(map_pair()));
  EXPECT_THAT([&] { with_adapter(base_, folder); }, ThrowsMessage<DataError>(HasSubstr("is of the adapter")));
}

TEST_F(Adapter, ThatIsNotThereIsRefused) {
  EXPECT_THAT([&] { with_adapter(base_, folder_.path() / "none"); }, ThrowsMessage<ConfigError>(HasSubstr("no such folder or file")));
}

}  // namespace
}  // namespace espalier::modelfile
