// What a plugin reads for use is what its key was made of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"
#include "runtime/exec/context.h"
#include "tests/runtime/base/folder.h"
#include "tests/runtime/plan/fake_pipeline.h"

namespace espalier::exec {
namespace {

using testing::AllOf, testing::HasSubstr, testing::ThrowsMessage;

TEST(Unchanged, AFileThatChangesBetweenThePlanAndItsUseIsNamed) {
  const auto &before = plan::pipeline(), &after = plan::pipeline({"models.base=" + plan::model_folder("others")});
  const TemporaryFolder folder;
  const auto store = cache::Store::open(folder.path() / "cache");
  const auto progress = make_silent_progress();
  const NeverStop stop;
  const RunOptions options;
  Context planned{before.spec, *store, *progress, stop, options, at::kCPU};
  Context later{after.spec, *store, *progress, stop, options, at::kCPU};
  for (auto* context : {&planned, &later}) {
    plan::add_folders(context->spec, *context->spec.find("samples"), context->results);
    const auto samples = plan::plan_stage(context->spec, *context->spec.find("samples"), context->results, *store);
    context->results.emplace("samples", *samples.result);
  }
  const auto scores = plan::plan_stage(before.spec, *before.spec.find("alignment"), planned.results, *store);
  EXPECT_NO_THROW(check_unchanged(planned, scores));
  auto of_after = scores;
  of_after.stage = after.spec.find("alignment");
  EXPECT_THAT([&] { check_unchanged(later, of_after); }, ThrowsMessage<StageError>(AllOf(HasSubstr("(set)"), HasSubstr("run it again"))));
}

}  // namespace
}  // namespace espalier::exec
