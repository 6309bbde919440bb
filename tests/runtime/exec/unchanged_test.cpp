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
  const auto &before = plan::pipeline(), &after = plan::pipeline({"domain.weights=others"});
  const TemporaryFolder folder;
  const auto store = cache::Store::open(folder.path() / "cache");
  const auto progress = make_silent_progress();
  const NeverStop stop;
  const RunOptions options;
  const auto context_of = [&](const plan::Fake& fake) {
    Context context{fake.spec, *store, *progress, stop, options, at::kCPU};
    plan::add_folders(fake.spec, *fake.spec.find("samples"), context.results);
    return context;
  };
  const auto planned = context_of(before);
  const auto samples = plan::plan_stage(before.spec, *before.spec.find("samples"), planned.results, *store);
  EXPECT_NO_THROW(check_unchanged(planned, samples));
  auto of_after = samples;
  of_after.stage = after.spec.find("samples");
  EXPECT_THAT([&] { check_unchanged(context_of(after), of_after); },
              ThrowsMessage<StageError>(AllOf(HasSubstr("(phases.0.segments.0.digest)"), HasSubstr("run it again"))));
}

}  // namespace
}  // namespace espalier::exec
