#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace espalier::modelfile {

// model_index.json of a folder in diffusers' layout: the components that make up the model, each with its class. Left out are those that
// the folder is said to be without ([null, null]) and those that no sampling needs: safety_checker, feature_extractor, image_encoder.
// nullopt: there is no such file. Throws DataError for a file that is no such table.
std::optional<std::map<std::string, std::string>> read_model_index(const std::filesystem::path& folder);

}  // namespace espalier::modelfile
