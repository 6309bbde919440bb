// Which model a tag stands for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/exec/context.h"
#include "tests/conformance/toy.h"
#include "tests/runtime/base/folder.h"

namespace espalier::exec {
namespace {

namespace fs = std::filesystem;
using testing::AllOf, testing::HasSubstr, testing::ThrowsMessage;

// A domain whose folders are named by a process; their weights are drawn from one seed.
class FoldersDomain final : public conformance::ForwardingDomain {
 public:
  ModelInfo model_info(const fs::path& folder) const override { return load_model(folder).info; }
  Model load_model(const fs::path& folder) const override { return conformance::toy_model(1, folder.string()); }
};

class Models : public testing::Test {
 protected:
  explicit Models(std::shared_ptr<Domain> domain = std::make_shared<FoldersDomain>()) { spec_.domain = std::move(domain); }
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

TEST_F(Models, OfEqualWeightsAreDistinguishedByTheirProcess) {
  spec_.models = {{"diffusion", "variance_preserving"}, {"flow", "rectified_flow"}};
  for (const auto& [tag, path] : spec_.models) plan(tag, spec_.domain->model_info(path));
  ASSERT_EQ(context_.results.at("diffusion").digest, context_.results.at("flow").digest);
  EXPECT_EQ(context_.model("diffusion")->process->name(), "variance_preserving");
  EXPECT_EQ(context_.model("flow")->process->name(), "rectified_flow");
  EXPECT_EQ(context_.model("flow"), context_.model("flow")) << "loaded once";
}

// Equal weights; the noise process is the one of a scheduler_config.json that changed after the plan was made.
TEST_F(Models, ThatReadAsOthersThanPlannedAreRefused) {
  spec_.models = {{"flow", "rectified_flow"}};
  plan("flow", spec_.domain->model_info("variance_preserving"));
  EXPECT_THAT([&] { context_.model("flow"); }, ThrowsMessage<StageError>(AllOf(HasSubstr("rectified_flow: the model 'flow'"),
                                                                               HasSubstr("process is"), HasSubstr("run it again"))));
}

class CachedModels : public Models {
 protected:
  class Domain final : public conformance::ForwardingDomain {
   public:
    Model load_model(const fs::path&) const override { return conformance::toy_model(1, process); }
    std::string process = "rectified_flow";
  };
  CachedModels() : CachedModels(std::make_shared<Domain>()) {}
  explicit CachedModels(const std::shared_ptr<Domain>& domain) : Models(domain), domain_(domain) {}
  std::shared_ptr<Domain> domain_;
};

TEST_F(CachedModels, ThatReadAsOthersThanPublishedAreRefusedAndKept) {
  const auto publish = [&](const Value& request) {
    const auto made = store_->new_folder();
    write_durable(made / "scheduler_config.json", "{}");
    store_->publish_result("model", digest(request), request, Value(), made);
    return digest(request);
  };
  const auto sound = publish("sound"), other = publish("other");
  plan("sound", conformance::toy_model(1, "rectified_flow").info, sound);
  plan("other", conformance::toy_model(1, "variance_preserving").info, other);
  EXPECT_EQ(context_.model("sound")->process->name(), "rectified_flow");
  EXPECT_THAT([&] { context_.model("other"); }, ThrowsMessage<StageError>(AllOf(HasSubstr("is whole"), HasSubstr("process is"))));
  EXPECT_TRUE(store_->result("model", sound));
  EXPECT_TRUE(store_->result("model", other)) << "days of training are not thrown away because another version wrote them";
}

}  // namespace
}  // namespace espalier::exec
