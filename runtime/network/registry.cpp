#include "runtime/network/registry.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/base/errors.h"
#include "runtime/network/element_network.h"
#include "runtime/network/unet_network.h"

namespace espalier::network {

void Registry::add(NetworkEntry entry) {
  const auto place = [](const std::string& library) { return library.empty() ? std::string("the engine") : library; };
  if (entry.class_name.empty() || entry.component.empty() || !entry.make) {
    throw PluginError(place(entry.library) + ": registers a network without a class name, a component or a function that makes it");
  }
  const auto [other, added] = entries_.try_emplace(entry.class_name, entry);
  if (added) return;
  throw PluginError(fmt::format("{}: registers the network '{}', which {} registers too; choose another _class_name", place(entry.library),
                                entry.class_name, place(other->second.library)));
}

const NetworkEntry* Registry::find(const std::string& class_name) const {
  const auto found = entries_.find(class_name);
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<std::string> Registry::class_names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

Registry engine_networks() {
  Registry registry;
  registry.add({"UNet2DConditionModel",
                "unet",
                {"text_encoder", "text_encoder_2", "vae"},
                make_unet_network,
                {},
                1,
                {at::kFloat, at::kBFloat16, at::kHalf}});
  registry.add({"ElementTransformer", "transformer", {}, make_element_network});
  return registry;
}

}  // namespace espalier::network
