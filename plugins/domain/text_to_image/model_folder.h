#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "runtime/model/tokenizer.h"
#include "runtime/sdk/model.h"

// Folders in the diffusers layout:
//   unet/{config.json, diffusion_pytorch_model.safetensors}   text_encoder/{config.json, model.safetensors}
//   tokenizer/{vocab.json, merges.txt, tokenizer_config.json, special_tokens_map.json}   scheduler/scheduler_config.json
//   model_index.json   espalier.json (the engine's: role, the steps the model is for)
// and of models that are no denoisers (espalier.json says so): config.json, model.safetensors.
namespace espalier::text_to_image {

struct ModelRules {
  std::int64_t channels = 3;  // of the pictures
  std::int64_t height = 0, width = 0;
  std::optional<std::uint64_t> fresh_weights;  // a component without weights gets new ones from this seed; else it is a DataError
};

// Reads a folder whole, weights on the CPU as float32. Throws DataError naming every missing piece, or what does not fit together.
Model read_model(const std::filesystem::path& folder, const ModelRules& rules);

// Writes into an existing empty folder, each file durable; tokenizer files are copied from `tokenizer_folder`.
void write_model(const Model& model, const std::filesystem::path& folder, const std::filesystem::path& tokenizer_folder);

}  // namespace espalier::text_to_image
