#include "runtime/plugin/catalog.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/sdk/kinds.h"
#include "runtime/tensor/failure.h"

namespace espalier::plugin {
namespace {

std::string type_of(const PluginEntry& entry) { return entry.kind + "." + entry.name; }

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
  if (entry.numerics_version < 1) {
    throw PluginError(fmt::format("{}: registers {}.{} with the numerics_version {}; versions count from 1", entry.library, entry.kind,
                                  entry.name, entry.numerics_version));
  }
  if (!entry.make) throw PluginError(fmt::format("{}: {}.{} has nothing that makes it", entry.library, entry.kind, entry.name));
}

}  // namespace

void Catalog::add(const std::vector<PluginEntry>& entries, const std::vector<network::NetworkEntry>& networks) {
  for (const PluginEntry& entry : entries) check(entry);
  auto with_these = networks_;
  for (const auto& entry : networks) with_these.add(entry);
  networks_ = std::move(with_these);
  for (const PluginEntry& entry : entries) {
    const std::string type = type_of(entry);
    const auto other = std::find_if(entries_.begin(), entries_.end(), [&](const PluginEntry& known) { return type_of(known) == type; });
    const auto before = std::find_if(refusals_.begin(), refusals_.end(), [&](const Refusal& refusal) { return refusal.type == type; });
    if (other == entries_.end() && before == refusals_.end()) {
      entries_.push_back(entry);
      continue;
    }
    const std::string first = other == entries_.end() ? before->library : other->library;
    refuse(
        {entry.library, type, fmt::format("{} is registered twice: by {} and by {}; remove one of the two", type, first, entry.library)});
    if (other != entries_.end()) entries_.erase(other);
  }
}

void Catalog::expect_not_refused(const std::string& type) const {
  std::string reasons, all;
  for (const Refusal& refusal : refusals_) {
    all += "\n" + refusal.reason;
    const bool called_so = refusal.type.empty() && std::filesystem::path(refusal.library).stem() == type;
    if (refusal.type == type || called_so) reasons += "\n" + refusal.reason;
  }
  if (!reasons.empty()) throw PluginError(fmt::format("{} cannot be used:{}", type, reasons));
  if (all.empty() || !nearest_name(type, types()).empty()) return;
  throw PluginError(fmt::format("no plugin '{}' is loaded; it may be one of these, which were refused:{}", type, all));
}

std::shared_ptr<Plugin> make(const PluginEntry& entry) {
  const std::string who = fmt::format("{} ({})", type_of(entry), entry.library);
  auto made = named<PluginError>(who + ": its constructor failed", [&] { return entry.make(); });
  if (made == nullptr) throw PluginError(who + ": its constructor gives nothing");
  return {made.release(), [who](Plugin* plugin) {
            const Doing doing(who + ": its destructor failed");  // one that throws ends the process
            delete plugin;
          }};
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
  for (const PluginEntry& entry : entries_) names.push_back(type_of(entry));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace espalier::plugin
