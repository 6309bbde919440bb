#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/modelfile/mapped_file.h"
#include "runtime/tensor/state.h"

// The files that hold the weights of a component, under the names of diffusers and transformers:
//   <stem>.safetensors                 one file
//   <stem>.safetensors.index.json      shards: {"weight_map": {tensor: file}, ...}
// A variant such as "fp16" has <stem>.fp16.safetensors or <stem>.safetensors.index.fp16.json. <stem> is "diffusion_pytorch_model" or
// "model".
namespace espalier::modelfile {

struct ComponentWeights {
  std::vector<std::filesystem::path> files = {};       // sorted; empty: there are none
  std::filesystem::path index = {};                    // of shards; "": one file
  std::map<std::string, std::string> weight_map = {};  // of shards: file by tensor name
};

// Finds the weights of a component. Throws DataError if an index is damaged or names a missing shard, or if the folder has both one file
// and an index.
ComponentWeights find_weights(const std::filesystem::path& folder, const std::string& stem, const std::string& variant = "");

// Returns the variants of which the folder has files, sorted.
std::vector<std::string> variants_of(const std::filesystem::path& folder, const std::string& stem);

// Maps the files and appends them to `mapped`. Throws DataError naming a tensor that is missing in the shard that the index gives for it,
// or that is in a shard and not in the index.
TensorMap map_weights(const ComponentWeights& weights, std::vector<std::shared_ptr<const MappedFile>>& mapped);

}  // namespace espalier::modelfile
