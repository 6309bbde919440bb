#include "runtime/exec/cores.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "runtime/base/control_groups.h"

namespace espalier::exec {
namespace {

namespace fs = std::filesystem;

int affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

// The first of the list that OMP_NUM_THREADS may be: the threads of the outermost parallel region.
std::optional<int> openmp_threads() {
  const char* const variable = std::getenv("OMP_NUM_THREADS");
  if (variable == nullptr) return std::nullopt;
  std::string_view text = variable;
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  int threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc() || threads < 1) return std::nullopt;  // libgomp reports it
  return threads;
}

// A quota in cores: of version 2 "max 100000" or "150000 100000" in one file, of version 1 -1 or 150000 in one and 100000 in another.
std::optional<double> quota_of(const fs::path& group, bool version_2) {
  double quota = 0.0, period = 0.0;
  if (version_2) {
    std::ifstream file(group / "cpu.max");
    if (!(file >> quota >> period)) return std::nullopt;
  } else {
    std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
    if (!(quota_file >> quota) || !(period_file >> period)) return std::nullopt;
  }
  if (quota <= 0.0 || period <= 0.0) return std::nullopt;
  return quota / period;
}

}  // namespace

std::optional<int> quota_cores(const fs::path& membership, const fs::path& mount) {
  const auto least = least_of_groups(membership, mount, "cpu", quota_of);
  // A thread more than the quota would be stopped for a part of each period, and the others would wait for it.
  if (!least) return std::nullopt;
  return static_cast<int>(std::clamp(std::floor(*least), 1.0, 1e6));
}

int usable_cores() {
  int cores = affinity_cores();
  if (const auto quota = quota_cores()) cores = std::min(cores, *quota);
  if (const auto threads = openmp_threads()) cores = std::min(cores, *threads);
  return std::max(1, cores);
}

}  // namespace espalier::exec
