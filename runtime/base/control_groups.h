#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace espalier {

// The least of what `read` gives for the control groups of this controller ("cpu", "memory") that `membership` lists (a file as
// /proc/self/cgroup) and for those above them, below `mount`; none where it gives nothing.
std::optional<double> least_of_groups(const std::filesystem::path& membership, const std::filesystem::path& mount,
                                      const std::string& controller,
                                      const std::function<std::optional<double>(const std::filesystem::path& group, bool version_2)>& read);

}  // namespace espalier
