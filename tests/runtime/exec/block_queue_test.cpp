#include "runtime/exec/block_queue.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

namespace espalier::exec {
namespace {

using Stage = BlockQueue::Stage;
using Tasks = std::vector<std::pair<std::size_t, std::uint64_t>>;

// Takes and finishes tasks, one after the other, until there are none.
Tasks drain(BlockQueue& queue, const std::vector<std::size_t>& stages) {
  Tasks tasks;
  while (const auto task = queue.take(stages)) {
    tasks.emplace_back(task->stage, task->block);
    queue.done(*task);
  }
  return tasks;
}

TEST(BlockQueue, ABlockIsScoredAsSoonAsItWasSampled) {
  BlockQueue queue({Stage{{0, 1, 2}, {}}, Stage{{}, {0, 2}}, Stage{{}, {0, 1, 2}}}, 0);
  EXPECT_EQ(drain(queue, {0, 1, 2}), (Tasks{{0, 0}, {1, 0}, {2, 0}, {0, 1}, {2, 1}, {0, 2}, {1, 2}, {2, 2}}));
}

TEST(BlockQueue, StagesThatScoreTheSameBlockFollowEachOther) {
  BlockQueue queue({Stage{{0, 1, 3}, {}}, Stage{{1, 2, 3}, {}}}, std::nullopt);
  EXPECT_EQ(drain(queue, {0, 1}), (Tasks{{0, 0}, {0, 1}, {1, 1}, {1, 2}, {0, 3}, {1, 3}}));
}

TEST(BlockQueue, AThreadOfOneStageWaitsForTheSource) {
  BlockQueue queue({Stage{{0, 1}, {}}, Stage{{}, {0, 1}}}, 0);
  Tasks scored;
  {
    const std::jthread scorer([&] { scored = drain(queue, {1}); });
    EXPECT_EQ(drain(queue, {0}), (Tasks{{0, 0}, {0, 1}}));
  }
  EXPECT_EQ(scored, (Tasks{{1, 0}, {1, 1}}));
}

std::string message(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const std::exception& failure) {
    return failure.what();
  }
  return "none";
}

std::exception_ptr error(const char* text) { return std::make_exception_ptr(std::runtime_error(text)); }

TEST(BlockQueue, AFailedBlockOfScoresEndsNothing) {
  BlockQueue queue({Stage{{0, 1}, {}}, Stage{{}, {0, 1}}, Stage{{}, {0, 1}}}, 0);
  EXPECT_EQ(message(queue.first_error()), "none");
  queue.done(*queue.take({0}));
  EXPECT_TRUE(queue.failed(*queue.take({1}), error("first"), false)) << "other blocks are still to come";
  EXPECT_EQ(drain(queue, {0, 1, 2}), (Tasks{{2, 0}, {0, 1}, {1, 1}, {2, 1}}));
  queue.failed({2, 1}, error("second"), false);
  EXPECT_EQ(message(queue.first_error()), "first");
}

TEST(BlockQueue, AStageEndsWithItsThirdFailedBlockAndTheOthersGoOn) {
  BlockQueue queue({Stage{{0, 1, 2, 3, 4}, {}}, Stage{{0, 4}, {}}}, std::nullopt);
  for (int i = 0; i < 3; ++i) queue.failed(*queue.take({0}), error("broken"), false);
  EXPECT_FALSE(queue.take({0}));
  EXPECT_EQ(drain(queue, {0, 1}), (Tasks{{1, 0}, {1, 4}}));
}

TEST(BlockQueue, TheFirstErrorIsNotReportedTwiceWhereNothingIsToCome) {
  BlockQueue queue({Stage{{0, 1}, {}}}, std::nullopt);
  const auto one = *queue.take({0}), other = *queue.take({0});
  EXPECT_FALSE(queue.failed(one, error("first"), false));
  EXPECT_TRUE(queue.failed(other, error("second"), false));
}

TEST(BlockQueue, AFailedSourceEndsAllStages) {
  BlockQueue queue({Stage{{0, 1}, {}}, Stage{{5}, {0, 1}}}, 0);
  Tasks scored;
  {
    const auto task = *queue.take({0});
    const std::jthread scorer([&] { scored = drain(queue, {1}); });  // it must not wait for ever
    queue.failed(task, error("source"), false);
  }
  EXPECT_LE(scored.size(), 1U);
  EXPECT_FALSE(queue.take({0}));
}

TEST(BlockQueue, AnErrorThatEndsAllLeavesNoTask) {
  BlockQueue queue({Stage{{0, 1}, {}}, Stage{{0, 1}, {}}}, std::nullopt);
  queue.failed(*queue.take({1}), error("stopped"), true);
  EXPECT_FALSE(queue.take({0, 1}));
}

}  // namespace
}  // namespace espalier::exec
