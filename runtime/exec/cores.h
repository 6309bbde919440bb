#pragma once

#include <filesystem>
#include <optional>

namespace espalier::exec {

// Cores this process may use: its affinity (a Slurm allocation or taskset narrows it), the quota of its control group and OMP_NUM_THREADS,
// whichever is least; at least 1.
int usable_cores();

// Cores that the CPU quota of the control groups listed in `membership`, and of those above them, leaves: whole ones, at least 1; nothing
// without a quota. Reads cpu.max (version 2) and cpu.cfs_quota_us (version 1) below `mount`.
std::optional<int> quota_cores(const std::filesystem::path& membership = "/proc/self/cgroup",
                               const std::filesystem::path& mount = "/sys/fs/cgroup");

}  // namespace espalier::exec
