// Which model a tag stands for.
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/exec/context.h"
#include "runtime/modelfile/folder.h"
#include "runtime/network/adapter.h"
#include "tests/conformance/toy.h"
#include "tests/runtime/base/folder.h"

namespace espalier::exec {
namespace {

namespace fs = std::filesystem;
using testing::AllOf, testing::HasSubstr, testing::ThrowsMessage;

class Models : public testing::Test {
 protected:
  Models() { spec_.networks.add(conformance::toy_network()); }
  // A folder of a model of this process; the weights of all are equal.
  fs::path write(const std::string& process) const {
    const auto folder = folder_.path() / process;
    if (fs::create_directory(folder)) modelfile::save(conformance::toy_model(1, process), folder);
    return folder;
  }
  void name(const std::string& tag, const std::string& process) { spec_.models[tag].folder = write(process); }
  ModelInfo info_of(const std::string& process) const { return modelfile::info(write(process), spec_.networks); }
  void plan(const std::string& tag, const ModelInfo& info, const Hex& key = "") {
    auto& result = context_.results[tag];
    result.kind = ResultKind::model;
    result.model = info;
    result.digest = info.digest;
    result.key = key;
  }

  TemporaryFolder folder_;
  std::unique_ptr<cache::Store> store_ = cache::Store::open(folder_.path() / "cache");
  std::unique_ptr<Progress> progress_ = make_silent_progress();
  NeverStop stop_;
  RunOptions options_;
  config::PipelineSpec spec_;
  Context context_{spec_, *store_, *progress_, stop_, options_, at::kCPU};
};

TEST_F(Models, OfEqualWeightsAreToldApartByTheirProcess) {
  name("diffusion", "variance_preserving");
  name("flow", "rectified_flow");
  plan("diffusion", info_of("variance_preserving"));
  plan("flow", info_of("rectified_flow"));
  ASSERT_EQ(context_.results.at("diffusion").digest, context_.results.at("flow").digest);
  EXPECT_EQ(context_.model("diffusion")->process->name(), "variance_preserving");
  EXPECT_EQ(context_.model("flow")->process->name(), "rectified_flow");
  EXPECT_EQ(context_.model("flow"), context_.model("flow")) << "loaded once";
}

// Equal weights; the noise process is the one of a scheduler_config.json that changed after the plan was made.
TEST_F(Models, ThatReadAsOthersThanPlannedAreRefused) {
  name("flow", "rectified_flow");
  plan("flow", info_of("variance_preserving"));
  EXPECT_THAT([&] { context_.model("flow"); }, ThrowsMessage<StageError>(AllOf(HasSubstr("rectified_flow: the model 'flow'"),
                                                                               HasSubstr("process is"), HasSubstr("run it again"))));
}

TEST_F(Models, WhoseFilesChangeWhileTheyAreInUseAreFound) {
  name("flow", "rectified_flow");
  plan("flow", info_of("rectified_flow"));
  context_.model("flow");
  config::StageSpec user, other;
  InputInfo model;
  model.name = "model";
  model.takes = ResultKind::model;
  user.inputs = {{model, {"flow"}}};
  EXPECT_NO_THROW(require_unchanged_models(context_, user));
  const auto weights = spec_.models.at("flow").folder / "unet/diffusion_pytorch_model.safetensors";
  const auto bytes = read_file(weights);
  fs::remove(weights);
  write_durable(weights, bytes);
  EXPECT_THAT([&] { require_unchanged_models(context_, user); }, ThrowsMessage<StageError>(HasSubstr(weights.string())));
  EXPECT_NO_THROW(require_unchanged_models(context_, other)) << "a stage that does not use it goes on";
}

TEST_F(Models, InTheCacheThatReadAsOthersThanPublishedAreRefusedAndKept) {
  const auto publish = [&](const Value& request) {
    const auto made = store_->new_folder();
    modelfile::save(conformance::toy_model(1, "rectified_flow"), made);
    store_->publish_result("model", digest(request), request, Value(), made);
    return digest(request);
  };
  const auto sound = publish("sound"), other = publish("other");
  plan("sound", info_of("rectified_flow"), sound);
  plan("other", info_of("variance_preserving"), other);
  EXPECT_EQ(context_.model("sound")->process->name(), "rectified_flow");
  EXPECT_THAT([&] { context_.model("other"); }, ThrowsMessage<StageError>(AllOf(HasSubstr("is whole"), HasSubstr("process is"))));
  EXPECT_TRUE(store_->result("model", sound));
  EXPECT_TRUE(store_->result("model", other)) << "days of training are not thrown away because another version wrote them";
}

// One matrix, so that it can have an adapter.
class MatrixNetwork final : public Network {
 public:
  Value architecture() const override { return Value::Map{{"unet", Value::Map{{"_class_name", "MatrixNetwork"}}}}; }
  State predict(const Weights&, const State& noisy, const at::Tensor&, const TensorMap&) const override { return noisy; }
  Weights initialize(std::uint64_t) const override { return {{"unet.map.weight", at::ones({3, 4})}}; }
};

class AdaptedModels : public Models {
 protected:
  AdaptedModels() {
    spec_.networks.add({"MatrixNetwork", "unet", {}, [](const auto&, const auto&) { return std::make_shared<MatrixNetwork>(); }, ""});
    auto model = conformance::toy_model();
    model.network = std::make_shared<MatrixNetwork>();
    model.weights = model.network->initialize(0);
    model.info.architecture = model.network->architecture();
    fs::create_directory(base_folder_);
    modelfile::save(model, base_folder_);
    base_ = modelfile::load(base_folder_, spec_.networks);
    spec_.models["base"].folder = base_folder_;
    plan("base", base_.info);
  }
  // A folder of an adapter of this size, and the model's info.
  std::pair<fs::path, ModelInfo> adapter(double size) {
    auto model = base_;
    model.weights["unet.map.lora_A.weight"] = at::full({2, 4}, size);
    model.weights["unet.map.lora_B.weight"] = at::full({3, 2}, size);
    model.info.base = base_.info.digest;
    model.info.adapter = digest_weights(network::adapter_of(model.weights));
    model.info.digest = digest_with_adapter(model.info.base, model.info.adapter);
    const auto folder = store_->new_folder();
    modelfile::save(model, folder);
    return {folder, model.info};
  }
  // A stage that trained an adapter of what `start` stands for, its result in the cache.
  void train(const std::string& tag, const std::string& start, double size) {
    const auto [folder, info] = adapter(size);
    store_->publish_result("model", digest(tag), tag, Value(), folder);
    plan(tag, info, digest(tag));
    config::StageSpec stage;
    stage.tag = tag;
    InputInfo input;
    input.name = "model";
    stage.inputs = {{input, {start}}};
    spec_.stages.push_back(std::move(stage));
  }
  const void* base_memory(const std::string& tag) { return context_.model(tag)->weights.at("unet.map.weight").data_ptr(); }

  fs::path base_folder_ = folder_.path() / "base_model";
  Model base_;
};

TEST_F(AdaptedModels, HoldOneBase) {
  train("graft", "base", 1.0);
  train("pgraft", "base", 2.0);
  train("again", "graft", 3.0);
  const auto [folder, info] = adapter(4.0);
  spec_.models["imported"] = spec_.models.at("base");
  spec_.models["imported"].adapter = folder;
  plan("imported", info);
  std::set<const void*> bases, adapters;
  for (const auto* tag : {"again", "imported", "pgraft", "graft", "base"}) {
    bases.insert(base_memory(tag));
    const auto& weights = context_.model(tag)->weights;
    if (weights.contains("unet.map.lora_A.weight")) adapters.insert(weights.at("unet.map.lora_A.weight").data_ptr());
    EXPECT_EQ(context_.base_of(tag), context_.model("base")) << tag;
  }
  EXPECT_EQ(bases.size(), 1U);
  EXPECT_EQ(adapters.size(), 4U);
  EXPECT_EQ(context_.loaded.size(), 5U);
}

TEST_F(AdaptedModels, OfAnotherBaseThanPlannedAreRefused) {
  train("graft", "base", 1.0);
  context_.results.at("graft").model.adapter = "other";
  EXPECT_THAT([&] { context_.model("graft"); }, ThrowsMessage<StageError>(AllOf(HasSubstr("is whole"), HasSubstr("adapter is"))));
}

}  // namespace
}  // namespace espalier::exec
