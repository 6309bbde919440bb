#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "runtime/sdk/plugin.h"

namespace espalier::plugin {

// A library that is not used, or one of its plugins, and why.
struct Refusal {
  std::string library;
  std::string type;    // "kind.name" of the plugin, "" for the whole library
  std::string reason;  // a whole message, which names the library
};

// What the loaded libraries offer, and what was refused: a value. Libraries are never unloaded.
class Catalog {
 public:
  // Adds a library's plugins and networks. Throws PluginError, and adds none, where a plugin is of an unknown kind or has an odd name, or a
  // network's name is taken. Two plugins of one kind and name are both refused.
  void add(const std::vector<PluginEntry>& entries, const std::vector<network::NetworkEntry>& networks = {});
  void refuse(Refusal refusal) { refusals_.push_back(std::move(refusal)); }

  const PluginEntry* find(const std::string& kind, const std::string& name) const;
  std::vector<std::string> types() const;  // "kind.name", sorted
  const std::vector<PluginEntry>& entries() const { return entries_; }
  const std::vector<Refusal>& refusals() const { return refusals_; }
  const network::Registry& networks() const { return networks_; }  // the engine's and the libraries'

  // Throws PluginError where the plugin `type`, which find() did not find, is or may be one of a refused library: it was refused by its
  // name, the library's file is called so, or no plugin that is there has a similar name.
  void expect_not_refused(const std::string& type) const;

 private:
  std::vector<PluginEntry> entries_;
  std::vector<Refusal> refusals_;
  network::Registry networks_ = network::engine_networks();
};

// A new plugin. Throws PluginError, naming type and library, where its constructor throws.
std::shared_ptr<Plugin> make(const PluginEntry& entry);

// Loads every *.so of the folders that carries the stamp: `folders` first, then ESPALIER_PLUGIN_PATH (colon separated), then the build's or
// installation's own. Each file is checked before any of its code runs: ELF, the stamp note equal to this build's, not writable by
// others (nor its folder, nor a parent without the sticky bit). One that fails is refused: in the catalog, with both sides and the fix.
// Throws PluginError where a folder cannot be read or trusted. Leaves the floating-point environment as C's default.
Catalog load_catalog(const std::vector<std::filesystem::path>& folders);

// The library that the program and all plugins share: processes, networks, random numbers.
std::filesystem::path engine_library();

// The folder of the build's or installation's own plugins, from where the program lies.
std::filesystem::path default_plugin_folder();

}  // namespace espalier::plugin
