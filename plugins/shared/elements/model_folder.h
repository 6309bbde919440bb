#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "plugins/shared/folder/model_folder.h"
#include "runtime/modelfile/model.h"

// Model folders of element-set domains, in the diffusers layout: transformer/{config.json, diffusion_pytorch_model.safetensors} of an
// ElementTransformer, and scheduler/scheduler_config.json of an InterleavedScheduler.
namespace espalier::elements {

struct ModelRules {
  std::int64_t num_elements = 0;               // M of the domain's states
  std::int64_t num_classes = 0;                // K
  std::int64_t vector_dim = 0;                 // D
  std::optional<std::uint64_t> fresh_weights;  // a transformer without weights gets new ones from this seed; else it is a DataError
};

// Reads a folder whole, weights on the CPU as float32. Throws DataError naming every missing piece, or what does not fit the domain's
// states.
Model read_model(const std::filesystem::path& folder, const ModelRules& rules);

// Writes into an existing empty folder, each file durable.
void write_model(const Model& model, const std::filesystem::path& folder);

}  // namespace espalier::elements
