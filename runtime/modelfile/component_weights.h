#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/modelfile/mapped_file.h"
#include "runtime/tensor/state.h"

// The files in which the weights of a component lie, by the names of diffusers and transformers:
//   <stem>.safetensors                 one file
//   <stem>.safetensors.index.json      shards: {"weight_map": {tensor: file}, ...}
// and of a variant such as "fp16" <stem>.fp16.safetensors, <stem>.safetensors.index.fp16.json. <stem> is "diffusion_pytorch_model" or
// "model".
namespace espalier::modelfile {

struct ComponentWeights {
  std::vector<std::filesystem::path> files = {};       // sorted; empty: there are none
  std::filesystem::path index = {};                    // of shards; "" of one file
  std::map<std::string, std::string> weight_map = {};  // of shards: the file of each tensor
};

// Throws DataError where an index is damaged or names a shard that is not there, or where one file and an index both lie there.
ComponentWeights find_weights(const std::filesystem::path& folder, const std::string& stem, const std::string& variant = "");

// The variants whose files lie there, sorted.
std::vector<std::string> variants_of(const std::filesystem::path& folder, const std::string& stem);

// Maps the files and appends them to `mapped`. Throws DataError naming a tensor that the index places in a shard which lacks it, or that a
// shard holds and the index does not name.
TensorMap map_weights(const ComponentWeights& weights, std::vector<std::shared_ptr<const MappedFile>>& mapped);

}  // namespace espalier::modelfile
