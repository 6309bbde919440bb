#include "runtime/exec/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "runtime/base/errors.h"
#include "runtime/exec/cores.h"

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

TEST(UsableCores, FollowOmpNumThreads) {
  const char* const before = std::getenv("OMP_NUM_THREADS");
  const std::string kept = before == nullptr ? "" : before;
  for (const char* text : {"1", " 1 ", "1,4"}) {
    ::setenv("OMP_NUM_THREADS", text, 1);
    EXPECT_EQ(usable_cores(), 1) << "'" << text << "'";
  }
  ::setenv("OMP_NUM_THREADS", "1000000", 1);
  const int many = usable_cores();
  ::unsetenv("OMP_NUM_THREADS");
  EXPECT_EQ(usable_cores(), many) << "it is a limit, and makes no cores";
  if (before != nullptr) ::setenv("OMP_NUM_THREADS", kept.c_str(), 1);
}

// A folder as /sys/fs/cgroup, and a list as /proc/self/cgroup.
class QuotaCores : public testing::Test {
 protected:
  QuotaCores() : root_(testing::TempDir() + "quota-" + std::to_string(::getpid())) {}
  ~QuotaCores() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::optional<int> quota(const std::string& membership) const {
    write("list", membership);
    return quota_cores(root_ / "list", root_ / "cgroup");
  }
  std::filesystem::path root_;
};

TEST_F(QuotaCores, ReadVersion2OfTheGroupAndOfThoseAboveIt) {
  EXPECT_EQ(quota("0::/job/step\n"), std::nullopt);
  write("cgroup/job/step/cpu.max", "max 100000\n");
  EXPECT_EQ(quota("0::/job/step\n"), std::nullopt);
  write("cgroup/job/cpu.max", "350000 100000\n");
  EXPECT_EQ(quota("0::/job/step\n"), 3) << "a fourth thread would wait for half of each period";
  write("cgroup/job/step/cpu.max", "50000 100000\n");
  EXPECT_EQ(quota("0::/job/step\n"), 1);
}

TEST_F(QuotaCores, ReadVersion1AndTheRootOfAContainer) {
  write("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
  write("cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota("4:memory:/x\n3:cpu,cpuacct:/docker/0123\n0::/\n"), 2) << "the path is the host's";
  write("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(quota("3:cpu,cpuacct:/docker/0123\n"), std::nullopt);
  EXPECT_EQ(quota("2:cpuset:/docker/0123\n"), std::nullopt);
}

TEST(NumericsClass, NamesWhatBitsMayDependOn) {
  const auto value = numerics_class("cpu");
  EXPECT_EQ(value.at("device"), Value("cpu"));
  EXPECT_EQ(value.at("libtorch"), Value(ESPALIER_TORCH_VERSION));
  EXPECT_FALSE(value.at("cpu").as_string().empty());
  EXPECT_FALSE(value.at("cpu_capability").as_string().empty());
}

}  // namespace
}  // namespace espalier::exec
