#pragma once

#include <memory>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace espalier::config {

// The plugin of a stage, made by the catalog. Plugins are cast to the interface of their kind only here.
class StagePlugin {
 public:
  StagePlugin() = default;
  StagePlugin(std::shared_ptr<Plugin> plugin) : plugin_(std::move(plugin)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return plugin_ != nullptr; }
  Plugin& operator*() const { return *plugin_; }
  Plugin* operator->() const { return plugin_.get(); }

  // The plugin as a Sampler, Reward, ...; null if its kind has another interface.
  template <class Interface>
  Interface* get_if() const {
    return dynamic_cast<Interface*>(plugin_.get());
  }
  template <class Interface>
  Interface& get() const {
    if (auto* found = get_if<Interface>()) return *found;
    throw InternalError("a stage's plugin does not have the interface of its kind");
  }

 private:
  std::shared_ptr<Plugin> plugin_;
};

}  // namespace espalier::config
