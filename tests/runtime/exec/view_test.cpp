// What is read of a set's blocks: once, within a bound, and as a view shows it.
#include "runtime/sdk/view.h"

#include <ATen/ops/arange.h>
#include <gmock/gmock.h>

#include <stdexcept>
#include <thread>

#include "runtime/base/errors.h"
#include "runtime/exec/block_cache.h"
#include "tests/conformance/memory_view.h"

namespace espalier::exec {
namespace {

using testing::ElementsAre;

BlockCache::Key key(std::uint64_t block) { return {"states", "set", block, 0}; }

std::function<std::pair<int, std::int64_t>()> makes(int value, std::int64_t bytes, int& made) {
  return [value, bytes, &made] {
    ++made;
    return std::pair(value, bytes);
  };
}

TEST(BlockCache, MakesAValueOnceWhileItIsKept) {
  BlockCache cache(100);
  int made = 0;
  EXPECT_EQ(*cache.get<int>(key(1), makes(7, 40, made)), 7);
  EXPECT_EQ(*cache.get<int>(key(1), makes(8, 40, made)), 7);
  EXPECT_EQ(made, 1);
  cache.clear();
  EXPECT_EQ(*cache.get<int>(key(1), makes(8, 40, made)), 8);
}

TEST(BlockCache, KeepsTheMostRecentlyUsedWithinItsBound) {
  BlockCache cache(100);
  int made = 0;
  cache.get<int>(key(1), makes(1, 40, made));
  cache.get<int>(key(2), makes(2, 40, made));
  cache.get<int>(key(1), makes(1, 40, made));
  const auto third = cache.get<int>(key(3), makes(3, 40, made));  // in the place of 2
  EXPECT_EQ(cache.bytes(), 80);
  EXPECT_EQ(made, 3);
  cache.get<int>(key(1), makes(1, 40, made));
  EXPECT_EQ(made, 3);
  cache.get<int>(key(2), makes(2, 40, made));
  EXPECT_EQ(made, 4);
  EXPECT_EQ(*third, 3) << "whoever has a value keeps it";
}

TEST(BlockCache, GivesWhatIsLargerThanItselfAndDoesNotKeepIt) {
  BlockCache cache(10);
  int made = 0;
  EXPECT_EQ(*cache.get<int>(key(1), makes(5, 40, made)), 5);
  EXPECT_EQ(cache.bytes(), 0);
}

TEST(BlockCache, ThrowsWhatMakingThrowsAndTriesAgain) {
  BlockCache cache(100);
  int made = 0;
  EXPECT_THROW(cache.get<int>(key(1), []() -> std::pair<int, std::int64_t> { throw std::runtime_error("damaged"); }), std::runtime_error);
  EXPECT_EQ(*cache.get<int>(key(1), makes(5, 40, made)), 5);
}

TEST(BlockCache, SeveralThreadsShareOneMaking) {
  BlockCache cache(100);
  std::atomic<int> made{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto value = cache.get<int>(key(1), [&] {
        ++made;
        return std::pair(7, std::int64_t{40});
      });
      EXPECT_EQ(*value, 7);
    });
  }
  threads.clear();
  EXPECT_EQ(made, 1);
}

View view() {
  const auto at_step = [](double step) { return State{{"sample", at::arange(4, at::kDouble).unsqueeze(1) + 10.0 * step}}; };
  diffusion::Grid grid;
  for (std::int64_t n = 2; n >= 0; --n) grid.points.push_back({n, static_cast<double>(n), {1.0, static_cast<double>(n)}});
  return conformance::memory_view("samples", {{0, at_step(0)}, {1, at_step(1)}}, {}, 0.0, grid);
}

std::vector<double> values(const State& state) {
  const auto tensor = state.at("sample").contiguous();
  return {tensor.const_data_ptr<double>(), tensor.const_data_ptr<double>() + tensor.numel()};
}

TEST(View, RowsMayBeInAnyOrder) { EXPECT_THAT(values(view().states(1, {3, 0, 3})), ElementsAre(13.0, 10.0, 13.0)); }

TEST(View, APartHasItsRowsAlone) {
  const auto part = view().part({3, 1});
  EXPECT_EQ(part.size(), 2);
  EXPECT_THAT(part.index(), ElementsAre(3, 1));
  EXPECT_THAT(values(part.states(0, part.all())), ElementsAre(3.0, 1.0));
  EXPECT_THROW(part.states(0, {2}), InternalError);
}

TEST(View, ATransitionHasBothItsStatesAndTheirPlaces) {
  const auto transition = view().transition(1, {2});
  EXPECT_THAT(values(transition.before), ElementsAre(12.0));
  EXPECT_THAT(values(transition.after), ElementsAre(2.0));
  EXPECT_EQ(transition.from.steps_remaining, 1);
  EXPECT_EQ(transition.to.steps_remaining, 0);
  EXPECT_THROW(view().transition(3, {2}), InternalError);
  EXPECT_THROW(view().transition(0, {2}), InternalError);
}

}  // namespace
}  // namespace espalier::exec
