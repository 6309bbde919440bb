#include "runtime/modelfile/model_index.h"

#include <algorithm>
#include <array>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"

namespace espalier::modelfile {
namespace {

constexpr std::array kNotNeeded = {"safety_checker", "feature_extractor", "image_encoder"};

}  // namespace

std::optional<std::map<std::string, std::string>> read_model_index(const std::filesystem::path& folder) {
  const auto path = folder / "model_index.json";
  if (!std::filesystem::is_regular_file(path)) return std::nullopt;
  const auto index = parse_json(read_file(path), path.string());
  if (!index.is_map()) throw DataError(path.string() + ": is no table of components, as diffusers writes it");
  std::map<std::string, std::string> components;
  for (const auto& [name, value] : index.as_map()) {
    // Other values are settings of the pipeline: "requires_safety_checker": false.
    if (name.starts_with('_') || !value.is_list() || std::ranges::find(kNotNeeded, name) != kNotNeeded.end()) continue;
    const auto& parts = value.as_list();
    if (parts.size() != 2) {
      throw DataError(path.string() + ": '" + name + "' is " + to_json(value) + "; a component is [library, class]");
    }
    if (parts[1].is_string()) components.emplace(name, parts[1].as_string());
  }
  return components;
}

}  // namespace espalier::modelfile
