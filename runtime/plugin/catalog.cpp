#include "runtime/plugin/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/sdk/kinds.h"

namespace espalier::plugin {
namespace {

bool is_identifier(const std::string& name) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789_";
  return !name.empty() && name.find_first_not_of(allowed) == std::string::npos;
}

void check(const PluginEntry& entry) {
  if (entry.kind != "domain" && find_kind(entry.kind) == nullptr) {
    throw PluginError(fmt::format("{}: registers a plugin of the unknown kind '{}'", entry.library, entry.kind));
  }
  if (!is_identifier(entry.name)) {
    throw PluginError(fmt::format("{}: registers a {} with the name '{}'; a name has small letters, digits and '_'", entry.library,
                                  entry.kind, entry.name));
  }
  if (!entry.make) throw PluginError(fmt::format("{}: {}.{} has nothing that makes it", entry.library, entry.kind, entry.name));
}

}  // namespace

void Catalog::add(const std::vector<PluginEntry>& entries) {
  std::vector<PluginEntry> merged = entries_;
  for (const PluginEntry& entry : entries) {
    check(entry);
    const auto other = std::find_if(merged.begin(), merged.end(),
                                    [&](const PluginEntry& known) { return known.kind == entry.kind && known.name == entry.name; });
    if (other != merged.end()) {
      throw PluginError(fmt::format("{}.{} is registered twice: by {} and by {}; remove one of the two", entry.kind, entry.name,
                                    other->library, entry.library));
    }
    merged.push_back(entry);
  }
  entries_ = std::move(merged);
}

const PluginEntry* Catalog::find(const std::string& kind, const std::string& name) const {
  for (const PluginEntry& entry : entries_) {
    if (entry.kind == kind && entry.name == name) return &entry;
  }
  return nullptr;
}

std::vector<std::string> Catalog::types() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const PluginEntry& entry : entries_) names.push_back(entry.kind + "." + entry.name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace espalier::plugin
