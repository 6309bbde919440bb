#include "runtime/base/memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "tests/runtime/base/folder.h"

namespace espalier {
namespace {

class MemoryOfGroups : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << text;
  }
  std::optional<std::int64_t> left(const std::string& membership) const {
    write("list", membership);
    return memory_of_groups(folder_.path() / "list", folder_.path() / "cgroup");
  }
  TemporaryFolder folder_;
};

TEST_F(MemoryOfGroups, IsTheLeastOfTheGroupAndOfThoseAboveIt) {
  EXPECT_EQ(left("0::/job/step\n"), std::nullopt);
  write("cgroup/job/step/memory.max", "max\n");
  write("cgroup/job/step/memory.current", "300\n");
  EXPECT_EQ(left("0::/job/step\n"), std::nullopt);
  write("cgroup/job/memory.max", "1000\n");
  write("cgroup/job/memory.current", "700\n");
  EXPECT_EQ(left("0::/job/step\n"), 300);
  write("cgroup/job/memory.stat", "anon 600\ninactive_file 100\nactive_file 50\n");
  EXPECT_EQ(left("0::/job/step\n"), 400) << "files that were read are given back";
  write("cgroup/job/step/memory.max", "350\n");
  EXPECT_EQ(left("0::/job/step\n"), 50);
  write("cgroup/job/step/memory.current", "360\n");
  EXPECT_EQ(left("0::/job/step\n"), 0);
}

TEST_F(MemoryOfGroups, ReadsVersion1) {
  write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("cgroup/memory/memory.usage_in_bytes", "700\n");
  EXPECT_EQ(left("4:memory:/docker/0123\n3:cpu:/x\n"), std::nullopt) << "no limit";
  write("cgroup/memory/memory.limit_in_bytes", "1000\n");
  EXPECT_EQ(left("4:memory:/docker/0123\n3:cpu:/x\n"), 300) << "the path is the host's";
  EXPECT_EQ(left("3:cpu:/x\n"), std::nullopt);
}

TEST(MemoryRise, IsThePeakAndCountsFromItsBeginning) {
  constexpr std::size_t kSize = std::size_t{64} << 20;
  const auto rise_of = [](std::size_t size) {
    const MemoryRise memory;
    volatile char last = std::vector<char>(size, 'x').back();  // given back at once
    (void)last;
    return memory.bytes();
  };
  const auto large = rise_of(kSize);
  if (!large) GTEST_SKIP() << "/proc/self/clear_refs cannot be written here";
  EXPECT_GT(*large, static_cast<std::int64_t>(kSize) * 9 / 10);
  EXPECT_LT(*large, static_cast<std::int64_t>(kSize) * 3 / 2);
  EXPECT_LT(*rise_of(1), static_cast<std::int64_t>(kSize) / 4);
}

TEST(FreeMemory, IsWithinWhatASystemHas) {
  const auto free = free_memory();
  ASSERT_TRUE(free) << "of Linux";
  EXPECT_GT(*free, std::int64_t{1} << 20);
  EXPECT_LT(*free, std::int64_t{1} << 44);
}

}  // namespace
}  // namespace espalier
