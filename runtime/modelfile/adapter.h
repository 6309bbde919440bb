#pragma once

#include <filesystem>

#include "runtime/modelfile/model.h"

// Models with an adapter (network/adapter.h). Of such a model a folder holds what its base has not:
//   pytorch_lora_weights.safetensors   the adapter, which diffusers' load_lora_weights reads
//   espalier.json                      ModelInfo::annotations, with the digests of the base and of the adapter
namespace espalier::modelfile {

// The model with the adapter in this folder or file; it shares the base's tensors, and has the base's role and steps where no espalier.json
// with an `adapter` lies beside the file. Throws ConfigError where there is no such folder or file; DataError, naming the module, for an
// adapter whose modules or shapes are not the base's, that is not finite, or that espalier.json says is another base's.
Model with_adapter(const Model& base, const std::filesystem::path& adapter);

// Throws DataError for an adapter whose lora_B are all zero: it changes nothing, and was never trained.
void require_trained_adapter(const Model& model, const std::filesystem::path& adapter);

// Writes the adapter of the model into an existing empty folder, each file durable; with_adapter() of its base gives the model back.
void save_adapter(const Model& model, const std::filesystem::path& folder);

}  // namespace espalier::modelfile
