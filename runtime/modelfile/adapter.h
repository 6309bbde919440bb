#pragma once

#include <filesystem>

#include "runtime/modelfile/model.h"

// Models with an adapter (network/adapter.h). The folder of such a model holds only what its base does not have:
//   pytorch_lora_weights.safetensors   the adapter, which diffusers' load_lora_weights reads
//   espalier.json                      ModelInfo::annotations, with the digests of the base and of the adapter
namespace espalier::modelfile {

// Returns the base with the adapter in this folder or file. It shares the base's tensors, and has the base's role and steps unless an
// espalier.json with an `adapter` is beside the file. Throws ConfigError if there is no such folder or file; DataError, naming the module,
// for an adapter that has other modules or shapes than the base, that is not finite, or that is for another base according to
// espalier.json.
Model with_adapter(const Model& base, const std::filesystem::path& adapter);

// Throws DataError for an adapter whose lora_B are all zero, which changes nothing and was never trained.
void require_trained_adapter(const Model& model, const std::filesystem::path& adapter);

// Writes the model's adapter durably into an existing empty folder; with_adapter() of its base returns the same model.
void save_adapter(const Model& model, const std::filesystem::path& folder);

}  // namespace espalier::modelfile
