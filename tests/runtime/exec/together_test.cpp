// Stages that go block by block: samples are scored while others are sampled.
#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>

#include <chrono>
#include <mutex>
#include <thread>

#include "runtime/base/errors.h"
#include "toy_pipeline.h"

namespace espalier::exec {
namespace {

using testing::AllOf, testing::Each, testing::ElementsAre, testing::HasSubstr;

constexpr std::int64_t kBlocks = 4, kBlock = 8;  // of the toy pipeline's stage `samples`

// What a reward saw, and what it is to do.
struct Watched {
  std::mutex mutex;
  std::vector<std::int64_t> blocks;  // as they were scored
  std::vector<std::int64_t> rows;    // that the network had predicted by then
  int own_threads = 0;
  std::int64_t wait_for_rows = 0;  // the first call waits for so many
  bool waited_in_vain = false;
  std::int64_t failing_block = -1;
  std::shared_ptr<conformance::ToyNetwork> network = std::make_shared<conformance::ToyNetwork>();
};

// As the toy reward, watched.
class Watching final : public Reward {
 public:
  explicit Watching(Watched& watched) : watched_(watched) {}
  int own_threads() const override { return watched_.own_threads; }
  at::Tensor score(const RewardInput& input) const override {
    const std::lock_guard lock(watched_.mutex);
    const auto block = input.index.front() / kBlock;
    if (block == watched_.failing_block) throw StageError("no score");
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (watched_.network->rows() < watched_.wait_for_rows && !watched_.waited_in_vain) {
      watched_.waited_in_vain = std::chrono::steady_clock::now() > end;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    watched_.blocks.push_back(block);
    watched_.rows.push_back(watched_.network->rows());
    return input.sample.tensors.at("image").mean({1, 2, 3});
  }

 private:
  Watched& watched_;
};

ToyPipeline pipeline_of(Watched& watched) {
  const PluginEntry reward{.kind = "reward",
                           .name = "example",
                           .doc = "Watches.",
                           .make = [&watched] { return std::make_unique<Watching>(watched); },
                           .library = ""};
  auto network = conformance::toy_network();
  network.make = [&watched](const auto&, const auto&) { return watched.network; };
  return ToyPipeline({}, {reward}, network);
}

TEST(Together, ABlockIsScoredBeforeTheNextIsSampled) {
  Watched watched;
  auto pipeline = pipeline_of(watched);
  pipeline.workers = 1;
  const auto record = pipeline.run({"samples", "scores"});
  EXPECT_THAT(watched.blocks, ElementsAre(0, 1, 2, 3));
  const auto rows = watched.rows.front();
  EXPECT_THAT(watched.rows, ElementsAre(rows, 2 * rows, 3 * rows, 4 * rows));
  const auto &samples = record.stages.at(0), &scores = record.stages.at(1);
  EXPECT_EQ(samples.status, "run");
  EXPECT_EQ(scores.status, "run");
  EXPECT_EQ(scores.samples_run, kBlocks * kBlock);
  EXPECT_EQ(scores.network_evaluations, 0);
  EXPECT_GT(samples.network_evaluations, 0);
  EXPECT_GE(scores.start_seconds, samples.start_seconds);
  EXPECT_EQ(pipeline.run({"samples", "scores"}).stages.at(1).status, "reused");
}

TEST(Together, ScoresAreThoseOfStagesThatRunAlone) {
  Watched together, alone;
  auto one = pipeline_of(together), other = pipeline_of(alone);
  other.run({"samples"});
  EXPECT_EQ(one.run({"samples", "scores"}).scores.front().score, other.run({"samples", "scores"}).scores.front().score);
}

TEST(Together, SamplingGoesOnWhileARewardWithItsOwnThreadsWaits) {
  Watched watched, alone;
  pipeline_of(alone).run({"samples"});
  watched.own_threads = 1;
  watched.wait_for_rows = alone.network->rows();  // of all samples
  auto pipeline = pipeline_of(watched);
  pipeline.workers = 1;
  pipeline.run({"samples", "scores"});
  EXPECT_FALSE(watched.waited_in_vain);
  EXPECT_THAT(watched.rows, Each(alone.network->rows()));
}

TEST(Together, AFailedBlockOfScoresLosesNoSamplesAndNoOtherScores) {
  Watched watched;
  watched.failing_block = 1;
  auto pipeline = pipeline_of(watched);
  pipeline.workers = 1;
  const auto [code, message] = pipeline.error({"samples", "scores"});
  EXPECT_EQ(code, 1);
  EXPECT_THAT(message, AllOf(HasSubstr("'scores'"), HasSubstr("block 1"), HasSubstr("no score")));
  EXPECT_THAT(pipeline.said(), HasSubstr("block 1")) << "it is reported at once";
  EXPECT_THAT(watched.blocks, ElementsAre(0, 2, 3));
  const auto sampled = watched.network->rows();
  watched.failing_block = -1;
  pipeline.run({"samples", "scores"});
  EXPECT_EQ(watched.network->rows(), sampled) << "all blocks were sampled";
  EXPECT_THAT(watched.blocks, ElementsAre(0, 2, 3, 1));
}

}  // namespace
}  // namespace espalier::exec
