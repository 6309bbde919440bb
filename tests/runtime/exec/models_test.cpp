// Which model a tag stands for.
#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/base/files.h"
#include "runtime/exec/context.h"
#include "tests/conformance/toy.h"

namespace espalier::exec {
namespace {

namespace fs = std::filesystem;

// A domain whose folders are named by a process; their weights are drawn from one seed.
class FoldersDomain final : public conformance::ForwardingDomain {
 public:
  ModelInfo model_info(const fs::path& folder) const override { return load_model(folder).info; }
  Model load_model(const fs::path& folder) const override { return conformance::toy_model(1, folder.string()); }
};

TEST(Models, OfEqualWeightsAreToldApartByTheirProcess) {
  config::PipelineSpec spec;
  spec.domain = std::make_shared<FoldersDomain>();
  spec.models = {{"diffusion", "variance_preserving"}, {"flow", "rectified_flow"}};
  const fs::path folder = fs::path(::testing::TempDir()) / ("espalier-" + unique_name());
  const auto store = cache::Store::open(folder);
  const auto progress = make_silent_progress();
  const NeverStop stop;
  const RunOptions options;
  Context context{spec, *store, *progress, stop, options, at::kCPU};
  for (const auto& [tag, path] : spec.models) {
    auto& result = context.results[tag];
    result.kind = ResultKind::model;
    result.model = spec.domain->model_info(path);
    result.digest = result.model.digest;
  }
  ASSERT_EQ(context.results.at("diffusion").digest, context.results.at("flow").digest);
  EXPECT_EQ(context.model("diffusion")->process->name(), "variance_preserving");
  EXPECT_EQ(context.model("flow")->process->name(), "rectified_flow");
  EXPECT_EQ(context.model("flow"), context.model("flow")) << "loaded once";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace espalier::exec
