#include "runtime/training/component_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/base/errors.h"

namespace espalier::training {

void ComponentOptions::options(Schema& schema) {
  schema.strings("train_components", train_components,
                 "Components whose weights are trained: of images \"unet\" and \"text_encoder\", of element sets \"transformer\". The "
                 "others stay.");
}

void ComponentOptions::check(const std::string& who, const std::vector<std::string>& components) const {
  const auto list = fmt::format("{}", fmt::join(components, ", "));
  if (train_components.empty()) throw ConfigError(fmt::format("{}: train_components is empty; the model's components are: {}", who, list));
  for (const auto& component : train_components) {
    const bool known = std::ranges::find(components, component) != components.end();
    if (component == "vae" && known) {
      throw ConfigError(who + ": train_components names 'vae', but the loss is of latents and does not depend on it; leave it out");
    }
    if (known) continue;
    throw ConfigError(fmt::format("{}: train_components names '{}', but the model's components are: {}", who, component, list));
  }
}

}  // namespace espalier::training
