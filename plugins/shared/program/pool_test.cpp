#include "plugins/shared/program/pool.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cstring>
#include <set>

#include "plugins/shared/program/failure.h"
#include "plugins/shared/program/test_programs.h"
#include "runtime/base/errors.h"

namespace espalier::program {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

const StageContext kStage;
const Role kRole{"reward", "image"};

// One score of a batch with the texts "abc", for which test_program.py answers 3.
double score_once(Pool& pool, const StageContext& stage = kStage) {
  const Value field = Value::Map{{"name", "name"}, {"format", "strings"}, {"values", Value::List{"abc"}}};
  const auto batch = pool.next_batch();
  const Outgoing message(Value::Map{{"type", "score"}, {"batch", batch}, {"count", 1}, {"fields", Value::List{field}}});
  double score = 0.0;
  pool.use(stage, [&](Program& program) {
    const auto reply = program.call(message, {"scores", 8}, stage);
    expect_integer(reply, "batch", batch);
    expect_integer(reply, "count", 1);
    std::memcpy(&score, reply.payload.data(), 8);
  });
  return score;
}

std::string failure_of(const Settings& settings) {
  Pool pool("reward.process", settings, kRole);
  try {
    score_once(pool);
  } catch (const StageError& error) {
    return error.what();
  }
  return "";
}

TEST(Pool, KeepsAProgramForAllItsWork) {
  Pool pool("reward.process", test_settings("process"), kRole);
  const auto process = score_once(pool);
  EXPECT_EQ(score_once(pool), process);
}

TEST(Pool, GivesEachOfItsThreadsAProgram) {
  auto settings = test_settings("process");
  settings.workers = 2;
  Pool pool("reward.process", settings, kRole);
  std::atomic<int> inside = 0;
  std::set<Child*> children;
  std::mutex mutex;
  const auto work = [&] {
    pool.use(kStage, [&](Program& program) {
      ++inside;
      EXPECT_TRUE(becomes_true([&] { return inside == 2; }));
      const std::lock_guard lock(mutex);
      children.insert(&program.child());
    });
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(children.size(), 2u);
}

TEST(Pool, IsSharedByEqualSettings) {
  auto settings = test_settings("right");
  const auto pool = shared_pool("reward.process", settings, kRole);
  settings.send = {"png"};  // of a batch, not of the program
  EXPECT_EQ(shared_pool("reward.process", settings, kRole), pool);
  EXPECT_NE(shared_pool("reward.process", settings, {"metric", "image"}), pool);
  settings.environment = {"A=1"};
  EXPECT_NE(shared_pool("reward.process", settings, kRole), pool);
}

TEST(Pool, SendsWorkOnceMoreToAFreshProgram) {
  const Scratch scratch;
  Pool pool("reward.process", test_settings("crashes_once", scratch.file("marker")), kRole);
  EXPECT_EQ(score_once(pool), 3.0);
  EXPECT_EQ(score_once(pool), 3.0);
}

TEST(Pool, ReportsWhatBothProgramsDidAndTheirLastLines) {
  EXPECT_THAT(
      failure_of(test_settings("crashes")),
      AllOf(HasSubstr("reward.process: two programs failed, one after the other, at the same work. The first ended with exit status "
                      "3 where it had to answer `score`. The second ended with exit status 3"),
            HasSubstr("command: python3 "), HasSubstr("test_program.py crashes"),
            HasSubstr("its last lines on standard error:\n    it is out of paint")));
}

TEST(Pool, StartsNoMoreProgramsThanItMay) {
  auto settings = test_settings("crashes");
  settings.restart_limit = 1;
  Pool pool("reward.process", settings, kRole);
  EXPECT_THAT([&] { score_once(pool); }, ThrowsMessage<StageError>(HasSubstr("The second ended with exit status 3")));
  EXPECT_THAT([&] { score_once(pool); }, ThrowsMessage<StageError>(HasSubstr("the program was not started: restart_limit = 1 allows")));
  settings.restart_limit = 0;
  EXPECT_THAT(failure_of(settings), AllOf(HasSubstr("the program ended with exit status 3"), HasSubstr("restart_limit = 0"),
                                          HasSubstr("out of paint"), Not(HasSubstr("two programs"))));
}

TEST(Pool, RefusesAnotherProgramWhenItIsOpened) {
  const auto opened = [](const Settings& settings) { return [settings] { Pool("reward.process", settings, kRole).open(kStage); }; };
  EXPECT_THAT(opened(test_settings("other_identity")),
              ThrowsMessage<ConfigError>(HasSubstr("the program states the identity \"other\", but the option identity is \"test 1\"")));
  EXPECT_THAT(opened(test_settings("other_protocol")), ThrowsMessage<ConfigError>(HasSubstr("speaks version 2 of the protocol")));
  EXPECT_THAT(opened(test_settings("dies")),
              ThrowsMessage<StageError>(AllOf(HasSubstr("ended with exit status 1"), HasSubstr("no weights at all"))));
  auto settings = test_settings("right");
  settings.command = {"no-such-program-at-all"};
  EXPECT_THAT(opened(settings), ThrowsMessage<ConfigError>(HasSubstr("the program 'no-such-program-at-all' is not there")));
}

TEST(Pool, RefusesAProgramThatIsAnotherOneWhenItIsStartedAnew) {
  const Scratch scratch;
  EXPECT_THAT(
      failure_of(test_settings("identity_changes", scratch.file("marker"))),
      AllOf(HasSubstr("the program ended with exit status 3"), HasSubstr("The one that was to follow it states the identity \"other\"")));
}

TEST(Pool, LeavesNoChildOfAProgram) {
  const Scratch scratch;
  for (const auto* how : {"leaves_children", "leaves_children_and_crashes"}) {
    const auto file = scratch.file(how);
    auto settings = test_settings(how, file);
    settings.restart_limit = 0;
    failure_of(settings);
    const auto children = named_in(file);
    ASSERT_EQ(children.size(), 3u) << how;
    for (const auto& child : children) EXPECT_FALSE(runs(child)) << how;
  }
}

TEST(Pool, EndsAProgramThatGoesOnWithoutInput) {
  std::string process;
  {
    Pool pool("reward.process", test_settings("goes_on"), kRole);
    process = std::to_string(static_cast<int>(score_once(pool)));
    EXPECT_TRUE(runs(process));
  }
  EXPECT_FALSE(runs(process));
}

TEST(Pool, LimitsTheMemoryOfAProgramAndItsChildren) {
  for (const auto* how : {"takes_memory", "child_takes_memory"}) {
    auto settings = test_settings(how);
    settings.memory_limit = 0.12;
    settings.restart_limit = 0;
    EXPECT_THAT(failure_of(settings), AllOf(HasSubstr("the program and its children held 0."), HasSubstr("above memory_limit = 0.12")))
        << how;
  }
}

TEST(Pool, StopsWhileItWaitsForAnAnswerOrForAProgram) {
  const Scratch scratch;
  Pool pool("reward.process", test_settings("is_silent"), kRole);
  pool.open(kStage);
  const StopsSoon stop;
  const StageContext stage{.stop = &stop};
  std::thread other([&] { EXPECT_THROW(score_once(pool, stage), Stopped); });
  EXPECT_THROW(score_once(pool, stage), Stopped);
  other.join();
}

TEST(Pool, QuotesTheEndOfALongLog) {
  Pool pool("reward.process", test_settings("floods"), kRole);
  EXPECT_EQ(score_once(pool), 3.0) << "its log never fills";
}

}  // namespace
}  // namespace espalier::program
