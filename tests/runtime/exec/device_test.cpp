#include "runtime/exec/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "runtime/base/errors.h"

namespace espalier::exec {
namespace {

TEST(Device, IsTheCpuUnlessCudaIsNamed) { EXPECT_TRUE(open_device("cpu").is_cpu()); }

TEST(Device, RefusesCudaWhereThereIsNone) {
  if (cuda_available()) return;  // what follows is for machines without
  try {
    open_device("cuda");
    FAIL() << "there is no GPU";
  } catch (const StageError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("[device] type = \"cuda\""), testing::HasSubstr("device.type = \"cpu\"")));
  }
}

TEST(UsableCores, FollowTheProcesssAffinity) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  int core = 0;
  while (!CPU_ISSET(core, &before)) ++core;
  CPU_SET(core, &one);
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), static_cast<int>(std::thread::hardware_concurrency()));
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_cores(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

TEST(NumericsClass, NamesWhatBitsMayDependOn) {
  const auto value = numerics_class(at::Device(at::kCPU), 2);
  EXPECT_EQ(value.at("device"), Value("cpu"));
  EXPECT_EQ(value.at("threads"), Value(2));
  EXPECT_EQ(value.at("libtorch"), Value(ESPALIER_TORCH_VERSION));
  EXPECT_FALSE(value.at("cpu").as_string().empty());
}

}  // namespace
}  // namespace espalier::exec
