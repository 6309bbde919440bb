#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace espalier {

// How far this process's resident memory rises above what it is now. One at a time: each begins anew what the system counts.
class MemoryRise {
 public:
  MemoryRise();
  std::optional<std::int64_t> bytes() const;  // none where the system does not say

 private:
  std::optional<std::int64_t> before_;
};

// Bytes that processes here may still take: what the system has available, or what the control groups that this process is in leave,
// whichever is less. None where the system does not say.
std::optional<std::int64_t> free_memory();

// What the memory limits of the control groups listed in `membership`, and of those above them, leave. Reads memory.max and memory.current
// (version 2), memory.limit_in_bytes and memory.usage_in_bytes (version 1) below `mount`.
std::optional<std::int64_t> memory_of_groups(const std::filesystem::path& membership = "/proc/self/cgroup",
                                             const std::filesystem::path& mount = "/sys/fs/cgroup");

}  // namespace espalier
