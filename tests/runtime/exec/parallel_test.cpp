#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <atomic>
#include <barrier>
#include <limits>
#include <mutex>
#include <set>
#include <thread>

#include "runtime/base/errors.h"
#include "runtime/exec/context.h"

namespace espalier::exec {
namespace {

TEST(ForEachParallel, DoesEachOnceWhateverTheNumberOfWorkers) {
  for (const int workers : {1, 2, 3, 8}) {
    for (const std::size_t count : {0u, 1u, 2u, 100u}) {
      std::vector<std::atomic<int>> done(count);
      for_each_parallel(count, workers, [&](std::size_t i) { ++done.at(i); });
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(done[i], 1) << i << " of " << count << " with " << workers << " workers";
    }
  }
}

TEST(ForEachParallel, WorksOnAsManyThreadsAsAsked) {
  std::barrier all_here(3);  // none passes before three have come
  std::mutex mutex;
  std::set<std::thread::id> threads;
  for_each_parallel(3, 3, [&](std::size_t) {
    all_here.arrive_and_wait();
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 3u);
}

TEST(ForEachParallel, GivesEachWorkerOneIntraOpThread) {
  const int before = at::get_num_threads();
  at::set_num_threads(4);
  std::atomic<int> most{0};
  for_each_parallel(4, 2, [&](std::size_t) {
    if (at::get_num_threads() > most) most = at::get_num_threads();
  });
  EXPECT_EQ(most, 1);
  at::set_num_threads(before);
}

TEST(ForEachParallel, BeginsEachCallWithTheDefaultArithmetic) {
  volatile double small = std::numeric_limits<double>::min() / 4.0;
  std::atomic<int> flushed{0};
  for_each_parallel(8, 2, [&](std::size_t) {
    if (small * 1.0 == 0.0) ++flushed;
    _mm_setcsr(_mm_getcsr() | 0x8040U);  // what a library linked with -ffast-math does when it is loaded
  });
  EXPECT_EQ(flushed, 0);
}

TEST(DefaultFloatingPoint, ReachesTheThreadsOfParallelLoops) {
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  at::parallel_for(0, 3, 1, [](std::int64_t, std::int64_t) { _mm_setcsr(_mm_getcsr() | 0x8040U); });
  default_floating_point_of_all_threads();
  volatile double small = std::numeric_limits<double>::min() / 4.0;
  std::atomic<int> flushed{0};
  at::parallel_for(0, 3, 1, [&](std::int64_t, std::int64_t) {
    if (small * 1.0 == 0.0) ++flushed;
  });
  at::set_num_threads(before);
  EXPECT_EQ(flushed, 0);
}

TEST(ForEachParallel, RethrowsTheFirstExceptionAsItWas) {
  for (const int workers : {1, 4}) {
    try {
      for_each_parallel(10, workers, [](std::size_t i) {
        if (i == 3) throw StageError("block 3 cannot be scored");
      });
      FAIL() << "nothing was thrown";
    } catch (const StageError& error) {
      EXPECT_STREQ(error.what(), "block 3 cannot be scored");
    }
  }
}

TEST(ForEachParallel, StopsTheOthersAfterAnException) {
  std::atomic<int> done{0};
  EXPECT_THROW(for_each_parallel(1000, 1,
                                 [&](std::size_t i) {
                                   if (i == 5) throw Stopped("asked to");
                                   ++done;
                                 }),
               Stopped);
  EXPECT_EQ(done, 5);
}

TEST(ForEachParallel, GivesOneOfManyExceptions) {
  std::barrier all_here(4);
  EXPECT_THROW(for_each_parallel(4, 4,
                                 [&](std::size_t i) {
                                   all_here.arrive_and_wait();
                                   throw StageError(std::to_string(i));
                                 }),
               StageError);
}

}  // namespace
}  // namespace espalier::exec
