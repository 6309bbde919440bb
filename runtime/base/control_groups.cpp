#include "runtime/base/control_groups.h"

#include <algorithm>
#include <fstream>
#include <string_view>

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Read = std::function<std::optional<double>(const fs::path& group, bool version_2)>;

std::optional<double> least(const std::optional<double>& one, const std::optional<double>& other) {
  if (!one || !other) return one ? one : other;
  return std::min(*one, *other);
}

// Of a group and of those above it, up to the hierarchy's root. In a container the path may be one of the host, which is not there; the
// root then is the container's own group.
std::optional<double> least_above(const fs::path& root, const std::string& path, bool version_2, const Read& read) {
  std::optional<double> found;
  for (fs::path group = fs::path(path).relative_path();; group = group.parent_path()) {
    found = least(found, read(root / group, version_2));
    if (group.empty()) return found;
  }
}

bool names(std::string_view controllers, std::string_view controller) {
  for (std::size_t start = 0; start <= controllers.size();) {
    const auto end = std::min(controllers.find(',', start), controllers.size());
    if (controllers.substr(start, end - start) == controller) return true;
    start = end + 1;
  }
  return false;
}

}  // namespace

std::optional<double> least_of_groups(const fs::path& membership, const fs::path& mount, const std::string& controller, const Read& read) {
  std::optional<double> found;
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {  // "<number>:<controllers>:<path>"; version 2 has no controllers
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (!controllers.empty() && !names(controllers, controller)) continue;
    found = least(found, least_above(controllers.empty() ? mount : mount / controllers, path, controllers.empty(), read));
  }
  return found;
}

}  // namespace espalier
