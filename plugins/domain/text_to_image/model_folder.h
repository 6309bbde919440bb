#pragma once

#include <filesystem>

#include "plugins/shared/images/model_folder.h"
#include "runtime/modelfile/model.h"

// Folders in the diffusers layout:
//   what plugins/shared/images/model_folder.h says, and
//   text_encoder/{config.json, model.safetensors}
//   tokenizer/{vocab.json, merges.txt, tokenizer_config.json, special_tokens_map.json}
namespace espalier::text_to_image {

using images::ModelRules;

// Reads a folder whole, weights on the CPU as float32. Throws DataError naming every missing piece, or what does not fit together.
Model read_model(const std::filesystem::path& folder, const ModelRules& rules);

// Writes into an existing empty folder, each file durable; tokenizer files are copied from `tokenizer_folder`.
void write_model(const Model& model, const std::filesystem::path& folder, const std::filesystem::path& tokenizer_folder);

}  // namespace espalier::text_to_image
