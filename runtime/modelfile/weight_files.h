#pragma once

#include <filesystem>
#include <string>
#include <string_view>

// What people have where a safetensors file is wanted. Both answers are for a person, "" where there is nothing to say.
namespace espalier::modelfile {

// What a file is that begins with these bytes and is no safetensors file: a Git LFS pointer, a web page, a pickle, ..., and what to do.
std::string described_as_other_file(std::string_view start);

// Of a file that is not there: the weights that lie beside it under another name (a variant, shards, a pickle, a dangling link), and what
// to do. "" also where the file is there.
std::string other_weights_beside(const std::filesystem::path& wanted);

}  // namespace espalier::modelfile
