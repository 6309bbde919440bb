#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace espalier::modelfile {

// Reads model_index.json of a folder in diffusers' layout. Returns the components of the model, each with its class, without those that the
// file marks as absent ([null, null]) and those that sampling does not need: safety_checker, feature_extractor, image_encoder. Returns
// nullopt if there is no such file. Throws DataError if the file is not a table of components.
std::optional<std::map<std::string, std::string>> read_model_index(const std::filesystem::path& folder);

}  // namespace espalier::modelfile
