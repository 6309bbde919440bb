#pragma once

#include <filesystem>
#include <optional>

namespace espalier::exec {

// Returns the number of cores that this process may use: the least of its affinity (which Slurm or taskset narrows), the quota of its
// control group and OMP_NUM_THREADS; at least 1.
int usable_cores();

// Returns the whole cores, at least 1, that the CPU quotas of the control groups listed in `membership` and of their parents allow; nullopt
// without a quota. Reads cpu.max (version 2) and cpu.cfs_quota_us (version 1) below `mount`.
std::optional<int> quota_cores(const std::filesystem::path& membership = "/proc/self/cgroup",
                               const std::filesystem::path& mount = "/sys/fs/cgroup");

}  // namespace espalier::exec
