#pragma once

#include <string>
#include <vector>

#include "runtime/sdk/schema.h"

namespace espalier::training {

// The option of trainers of denoisers that says which of a model's components are trained.
struct ComponentOptions {
  std::vector<std::string> train_components = {"unet"};

  void options(Schema& schema);
  // Throws ConfigError, naming `who` and the model's components (components_of()), where none is named, one is not the model's, or one is
  // the vae, of which no loss on latents depends.
  void check(const std::string& who, const std::vector<std::string>& components) const;
};

}  // namespace espalier::training
