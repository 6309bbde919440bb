#pragma once

#include <filesystem>
#include <string>
#include <string_view>

// Descriptions, for messages, of other files in the place of a model folder or a safetensors file. All functions return "" if there is
// nothing to describe.
namespace espalier::modelfile {

// Describes a file by its first bytes if it is a Git LFS pointer, a web page, a pickle, ... instead of a safetensors file, and what to do.
std::string described_as_other_file(std::string_view start);

// Describes the weights beside a missing file that have another name (a variant, shards, a pickle, a dangling link), and what to do. ""
// also if the file exists.
std::string other_weights_beside(const std::filesystem::path& wanted);

// Describes a path that is not a folder; for a model of the hub or a single-file checkpoint with the command that makes a folder.
std::string described_missing_folder(const std::filesystem::path& folder);

// Describes what is in a component's folder instead of the expected weights, and what to do. `model` is the folder of the whole model;
// `stem` as in component_weights.h.
std::string described_missing_weights(const std::filesystem::path& model, const std::filesystem::path& component, const std::string& stem);

}  // namespace espalier::modelfile
