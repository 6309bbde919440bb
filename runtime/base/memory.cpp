#include "runtime/base/memory.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "runtime/base/control_groups.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

// The number that follows a name in a file of such lines.
std::optional<double> field_of(const fs::path& file, const std::string& name) {
  std::ifstream in(file);
  for (std::string key; in >> key;) {
    if (double number = 0; key == name && in >> number) return number;
    std::getline(in, key);
  }
  return std::nullopt;
}

// "VmRSS:      1234 kB", in bytes.
std::optional<std::int64_t> bytes_of(const fs::path& file, const std::string& name) {
  const auto kilobytes = field_of(file, name + ":");
  return kilobytes ? std::optional(static_cast<std::int64_t>(1024 * *kilobytes)) : std::nullopt;
}

std::optional<double> number_in(const fs::path& file) {
  double number = 0.0;
  std::ifstream in(file);
  if (!(in >> number)) return std::nullopt;  // also "max"
  return number;
}

}  // namespace

MemoryRise::MemoryRise() {
  std::ofstream reset("/proc/self/clear_refs");
  reset << '5' << std::flush;  // the peak counts from here
  if (reset) before_ = bytes_of("/proc/self/status", "VmRSS");
}

std::optional<std::int64_t> MemoryRise::bytes() const {
  const auto peak = bytes_of("/proc/self/status", "VmHWM");
  if (!before_ || !peak) return std::nullopt;
  return std::max<std::int64_t>(0, *peak - *before_);
}

std::optional<std::int64_t> memory_of_groups(const fs::path& membership, const fs::path& mount) {
  const auto left = least_of_groups(membership, mount, "memory", [](const fs::path& group, bool version_2) -> std::optional<double> {
    const auto most = number_in(group / (version_2 ? "memory.max" : "memory.limit_in_bytes"));
    const auto used = number_in(group / (version_2 ? "memory.current" : "memory.usage_in_bytes"));
    if (!most || !used) return std::nullopt;
    const auto files = field_of(group / "memory.stat", version_2 ? "inactive_file" : "total_inactive_file");  // given back where wanted
    return std::max(0.0, *most - *used + files.value_or(0.0));
  });
  if (!left || *left > 9e18) return std::nullopt;  // version 1 writes a limit near 2^63 for none
  return static_cast<std::int64_t>(*left);
}

std::optional<std::int64_t> free_memory() {
  const auto available = bytes_of("/proc/meminfo", "MemAvailable"), groups = memory_of_groups();
  if (!available || !groups) return available ? available : groups;
  return std::min(*available, *groups);
}

}  // namespace espalier
