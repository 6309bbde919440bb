#pragma once

#include <filesystem>
#include <string>
#include <string_view>

// What people have where a model's folder or a safetensors file is wanted. The answers are for a person, "" where there is nothing to say.
namespace espalier::modelfile {

// What a file is that begins with these bytes and is no safetensors file: a Git LFS pointer, a web page, a pickle, ..., and what to do.
std::string described_as_other_file(std::string_view start);

// Of a file that is not there: the weights that lie beside it under another name (a variant, shards, a pickle, a dangling link), and what
// to do. "" also where the file is there.
std::string other_weights_beside(const std::filesystem::path& wanted);

// Of a path that is no folder: that none is there, and for a model of the hub or a single-file checkpoint the command that makes one.
std::string described_missing_folder(const std::filesystem::path& folder);

// Of a component's folder without the weights that are wanted: what lies there instead, and what to do. `model` is the folder of the whole
// model, and `stem` as in component_weights.h.
std::string described_missing_weights(const std::filesystem::path& model, const std::filesystem::path& component, const std::string& stem);

}  // namespace espalier::modelfile
