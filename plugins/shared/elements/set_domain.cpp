#include "plugins/shared/elements/set_domain.h"

#include <fmt/format.h>

#include "plugins/shared/elements/model_folder.h"
#include "plugins/shared/folder/data.h"
#include "runtime/base/errors.h"

namespace espalier::elements {

namespace fs = std::filesystem;

StateSpec SetDomain::state_spec() const { return elements::state_spec(shape().num_elements, shape().vector_dim); }

void SetDomain::model_options(Schema& schema) {
  schema.path("model", model_, "A model folder in the diffusers layout.").operational();
  schema.flag("initialize_weights", initialize_weights_, "Draw from the run's seed the weights that a model folder lacks.");
}

void SetDomain::open_model(const DomainContext& context, const std::string& plugin) {
  seed_ = context.seed;
  if (!model_.empty() && !fs::is_directory(model_)) throw DataError(fmt::format("{}: model = \"{}\": no such folder", plugin, model_));
}

void SetDomain::note(const std::string& plugin, const std::string& line) {
  folder::print_note(plugin, line);
  notes_.push_back(line);
}

ModelInfo SetDomain::model_info(const fs::path& folder) const { return load_model(folder).info; }

Model SetDomain::load_model(const fs::path& folder) const {
  const auto [elements, classes, dimension] = shape();
  ModelRules rules{elements, classes, dimension, std::nullopt};
  if (initialize_weights_) rules.fresh_weights = seed_;
  return read_model(folder, rules);
}

void SetDomain::save_model(const Model& model, const fs::path& folder) const { write_model(model, folder); }

}  // namespace espalier::elements
