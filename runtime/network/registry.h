#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/network/network.h"
#include "runtime/network/settings.h"

namespace espalier::network {

// A component's config.json, and where it lies, for messages.
struct ComponentConfig {
  Value config;
  std::string origin;
};
// By component: "unet", "transformer", "text_encoder", "vae", ...
using ComponentConfigs = std::map<std::string, ComponentConfig>;

// How models with this class of denoising network are opened.
struct NetworkEntry {
  std::string class_name;              // `_class_name` of the component's config.json
  std::string component = {};          // its folder, which is also the prefix of its weights: "unet", "transformer"
  std::vector<std::string> with = {};  // other components that the network is made of where the folder has them: "text_encoder", "vae"
  // Of the configs of these components, its own among them. Throws DataError naming origin and key.
  std::function<std::shared_ptr<const Network>(const ComponentConfigs& configs, const NetworkSettings& settings)> make = {};
  std::string library = {};                           // filled in by the host; "": the engine's
  std::int64_t numerics_version = 1;                  // raised whenever its numbers change; enters keys
  std::vector<at::ScalarType> dtypes = {at::kFloat};  // that it is computed in, by its weights'
};

// The networks that folders may hold, by `_class_name`. A value.
class Registry {
 public:
  void add(NetworkEntry entry);  // throws PluginError where the class name is empty or taken, naming both libraries
  const NetworkEntry* find(const std::string& class_name) const;
  std::vector<std::string> class_names() const;  // sorted
  const std::map<std::string, NetworkEntry>& entries() const { return entries_; }

 private:
  std::map<std::string, NetworkEntry> entries_;
};

// UNet2DConditionModel, with or without CLIP text encoders and an AutoencoderKL, and ElementTransformer.
Registry engine_networks();

}  // namespace espalier::network
