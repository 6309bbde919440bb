#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/sdk/plugin.h"

namespace espalier::plugin {

// What the loaded libraries offer: a value. Libraries are never unloaded.
class Catalog {
 public:
  // Throws PluginError naming both libraries when kind and name are taken. All of a library's entries are added, or none.
  void add(const std::vector<PluginEntry>& entries);
  const PluginEntry* find(const std::string& kind, const std::string& name) const;
  std::vector<std::string> types() const;  // "kind.name", sorted
  const std::vector<PluginEntry>& entries() const { return entries_; }

 private:
  std::vector<PluginEntry> entries_;
};

// Loads every *.so of the folders that carries the stamp: `folders` first, then ESPALIER_PLUGIN_PATH (colon separated), then the build's or
// installation's own. Each file is checked before any of its code runs: ELF, the stamp note equal to this build's, not writable by
// others (nor its folder, nor a parent without the sticky bit). Throws PluginError naming the file, both sides and the fix.
Catalog load_catalog(const std::vector<std::filesystem::path>& folders);

// The folder of the build's or installation's own plugins, from where the program lies.
std::filesystem::path default_plugin_folder();

}  // namespace espalier::plugin
