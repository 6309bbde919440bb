#include "runtime/tensor/failure.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <cfenv>
#include <limits>
#include <new>
#include <thread>

#include "runtime/base/floating_point.h"

namespace espalier {
namespace {

using testing::HasSubstr;
using testing::Not;

template <class T>
std::string text_of(T thrown) {
  return failure_text(std::make_exception_ptr(std::move(thrown)));
}

std::exception_ptr caught(const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

TEST(Failure, NamesTheTypeOfWhatIsNotOurs) {
  EXPECT_EQ(text_of(StageError("no sample")), "no sample");
  EXPECT_EQ(text_of(std::out_of_range("map::at")), "std::out_of_range: map::at");
  EXPECT_EQ(text_of(7), "threw the int 7, not a std::exception");
  EXPECT_EQ(text_of(std::string("text")), "threw the text 'text', not a std::exception");
  EXPECT_EQ(text_of(1.5), "threw a value of type double, not a std::exception");
}

TEST(Failure, OfLibTorchIsOneLine) {
  const auto failure = caught([] { static_cast<void>(at::zeros({2}) + at::zeros({3})); });
  ASSERT_TRUE(failure);
  EXPECT_THAT(failure_text(failure),
              testing::AllOf(HasSubstr("LibTorch: The size of tensor a (2)"), Not(HasSubstr("\n")), Not(HasSubstr("frame #"))));
}

TEST(Failure, DetectsLackOfMemoryAndNamesTheLargestOptions) {
  EXPECT_TRUE(is_out_of_memory(std::make_exception_ptr(std::bad_alloc())));
  const auto too_large = caught([] { at::zeros({1LL << 50}); });
  EXPECT_TRUE(is_out_of_memory(too_large));
  EXPECT_THAT(failure_text(too_large), testing::StartsWith("LibTorch: DefaultCPUAllocator: can't allocate memory"));
  EXPECT_FALSE(is_out_of_memory(std::make_exception_ptr(StageError("no"))));
  EXPECT_EQ(largest_of(Value::Map{{"a", 4}, {"b", 65536}, {"c", "text"}, {"d", 9}, {"e", 1}}),
            "; its largest options are b = 65536, d = 9, a = 4");
  EXPECT_EQ(largest_of(Value()), "");
}

TEST(Named, LeavesOurErrorsAndNamesTheOthers) {
  EXPECT_EQ(named<PluginError>("x", [] { return 3; }), 3);
  EXPECT_THROW(named<PluginError>("x", [] { throw ConfigError("ours"); }), ConfigError);
  EXPECT_EQ(failure_text(caught([] { named<PluginError>("reward.x", [] { throw 7; }); })),
            "reward.x: threw the int 7, not a std::exception");
}

TEST(Doing, IsThatOfTheThreadThatFails) {
  const Doing stage("stage");
  std::string there, other;
  std::jthread([&] {
    there = Doing::now();
    const Doing block("block");
    other = Doing::now();
    const std::jthread third([&] { there += ", " + Doing::now(); });
  });
  EXPECT_EQ(there, "stage, block") << "a thread that does nothing has the newest of any";
  EXPECT_EQ(other, "block");
  EXPECT_EQ(Doing::now(), "stage");
}

TEST(Doing, IsTheInnermost) {
  EXPECT_EQ(Doing::now(), "");
  {
    const Doing stage("stage");
    {
      const Doing part("part");
      EXPECT_EQ(Doing::now(), "part");
    }
    EXPECT_EQ(Doing::now(), "stage");
  }
  EXPECT_EQ(Doing::now(), "");
}

TEST(FloatingPoint, IsTheDefaultAgain) {
  volatile double small = std::numeric_limits<double>::min() / 4.0;
  _mm_setcsr(_mm_getcsr() | 0x8040U);  // flush to zero, denormals are zero
  std::fesetround(FE_UPWARD);
  ASSERT_EQ(small * 1.0, 0.0);
  set_default_floating_point();
  EXPECT_GT(small * 1.0, 0.0);
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
}

}  // namespace
}  // namespace espalier
