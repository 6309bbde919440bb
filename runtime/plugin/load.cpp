#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <set>
#include <system_error>

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/runtime_symbol_info.hpp>
#include <boost/dll/shared_library.hpp>

#include "runtime/base/errors.h"
#include "runtime/base/floating_point.h"
#include "runtime/base/text.h"
#include "runtime/plugin/catalog.h"
#include "runtime/plugin/elf.h"
#include "runtime/plugin/trust.h"
#include "runtime/sdk/stamp.h"
#include "runtime/tensor/failure.h"

namespace espalier::plugin {
namespace {

namespace fs = std::filesystem;

// Objects, vtables and autograd nodes of a plugin outlive any place where it could be closed: using one after dlclose is a segmentation
// fault. So a loaded library is kept until the process ends, and the store itself is never destroyed.
boost::dll::shared_library& keep(boost::dll::shared_library library) {
  static auto* const kept = new std::vector<std::unique_ptr<boost::dll::shared_library>>;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  return *kept->emplace_back(std::make_unique<boost::dll::shared_library>(std::move(library)));
}

std::string shown(const Stamp& stamp, const std::string& key) {
  const auto found = stamp.find(key);
  if (found == stamp.end()) return "nothing";
  return found->second.empty() ? "none" : "'" + found->second + "'";
}

void expect_same(const Stamp& plugin, const Stamp& host) {
  std::set<std::string> keys;
  for (const auto& [key, value] : plugin) keys.insert(key);
  for (const auto& [key, value] : host) keys.insert(key);
  std::string sides;
  for (const std::string& key : keys) {
    if (shown(plugin, key) == shown(host, key)) continue;
    sides += fmt::format("{}{}: the plugin has {}, this program {}", sides.empty() ? "" : "; ", key, shown(plugin, key), shown(host, key));
  }
  if (!sides.empty()) {
    throw PluginError("was built for another host (" + sides + "): rebuild the plugin with this program's compiler, LibTorch and SDK");
  }
}

void expect_utf8(const fs::path& path) {
  if (!is_utf8(path.string()))
    throw PluginError(fmt::format("'{}' is not valid UTF-8, so that no report could name it: rename it", as_utf8(path.string())));
}

// The libraries of a folder, sorted by name, canonical.
std::vector<fs::path> libraries_of(const fs::path& folder) {
  std::vector<fs::path> found;
  try {
    const fs::path canonical = fs::canonical(folder);
    if (!fs::is_directory(canonical)) throw PluginError(fmt::format("plugin folder {}: is not a folder", folder.string()));
    expect_utf8(canonical);
    for (const auto& entry : fs::directory_iterator(canonical)) {
      if (entry.path().extension() == ".so") found.push_back(entry.path());
    }
    try {
      if (!found.empty()) expect_trusted_folder(canonical);
    } catch (const PluginError& error) {
      throw PluginError(fmt::format("plugin folder {}: {}", folder.string(), error.what()));
    }
  } catch (const fs::filesystem_error& error) {
    throw PluginError(fmt::format("plugin folder {}: {}", folder.string(), error.code().message()));
  }
  std::sort(found.begin(), found.end());
  return found;
}

// All that can be known without running any of its code.
fs::path checked(const fs::path& library, const Stamp& host) {
  try {
    const fs::path canonical = fs::canonical(library);
    expect_utf8(canonical);
    expect_trusted(canonical);
    expect_same(read_stamp(canonical), host);
    return canonical;
  } catch (const PluginError& error) {
    throw PluginError(fmt::format("{}: {}", library.string(), error.what()));
  } catch (const fs::filesystem_error& error) {
    throw PluginError(fmt::format("{}: cannot be read: {}", library.string(), error.code().message()));
  }
}

// Runs the library's static initialisers. One that throws cannot be caught: dlopen holds its lock and has half a library.
boost::dll::shared_library& open_library(const fs::path& library) {
  const Doing doing(fmt::format("{}: a static initialiser of it failed", library.string()));
  boost::dll::shared_library opened;
  boost::dll::fs::error_code failure;
  [&]() noexcept { opened.load(library, failure, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local); }();
  if (failure) {
    const char* const reason = ::dlerror();
    throw PluginError(fmt::format("{}: cannot be loaded: {}", library.string(), reason == nullptr ? failure.message() : reason));
  }
  return keep(std::move(opened));
}

void register_all(const fs::path& library, Catalog& catalog) {
  Registrar registrar;
  auto& opened = open_library(library);
  named<PluginError>(fmt::format("{}: its registration failed", library.string()),
                     [&] { opened.get<void(Registrar&)>("espalier_register")(registrar); });
  std::vector<PluginEntry> entries = registrar.entries();
  std::vector<network::NetworkEntry> networks = registrar.networks();
  if (entries.empty() && networks.empty()) throw PluginError(fmt::format("{}: registers no plugin", library.string()));
  for (PluginEntry& entry : entries) entry.library = library.string();
  for (network::NetworkEntry& entry : networks) entry.library = library.string();
  catalog.add(entries, networks);
}

std::vector<fs::path> search_path(const std::vector<fs::path>& folders) {
  std::vector<fs::path> all = folders;
  if (const char* variable = std::getenv("ESPALIER_PLUGIN_PATH")) {
    const std::string text = variable;
    for (std::size_t start = 0; start <= text.size();) {
      const std::size_t end = std::min(text.find(':', start), text.size());
      if (end > start) all.emplace_back(text.substr(start, end - start));
      start = end + 1;
    }
  }
  const fs::path own = default_plugin_folder();
  if (fs::exists(own)) all.push_back(own);
  return all;
}

}  // namespace

Catalog load_catalog(const std::vector<fs::path>& folders) {
  const Stamp host = parse_stamp(host_stamp());
  std::vector<fs::path> libraries;
  Catalog catalog;
  const auto unless_refused = [&catalog](const fs::path& library, const auto& work) {
    try {
      work();
    } catch (const Error& error) {
      catalog.refuse({as_utf8(library.string()), "", as_utf8(error.what())});
    }
  };
  for (const fs::path& folder : search_path(folders)) {
    for (const fs::path& library : libraries_of(folder)) {
      unless_refused(library, [&] {
        const fs::path canonical = checked(library, host);
        if (std::find(libraries.begin(), libraries.end(), canonical) == libraries.end()) libraries.push_back(canonical);
      });
    }
  }
  for (const fs::path& library : libraries) {
    unless_refused(library, [&] { register_all(library, catalog); });
    set_default_floating_point();
  }
  return catalog;
}

fs::path engine_library() { return fs::path(boost::dll::symbol_location(host_stamp).string()); }

fs::path default_plugin_folder() {
  const fs::path program = boost::dll::program_location().parent_path();
  const fs::path built = program / "plugins";
  return fs::exists(built) ? built : (program.parent_path() / "lib" / "espalier" / "plugins");
}

}  // namespace espalier::plugin
