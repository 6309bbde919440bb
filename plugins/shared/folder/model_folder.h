#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/modelfile/model.h"

// What every domain's model folders share: the diffusers layout,
//   <network>/{config.json, diffusion_pytorch_model.safetensors}   scheduler/scheduler_config.json   model_index.json
//   espalier.json (the engine's: role, the steps the model is for, what it corrects)
// and that of models that are no denoisers (espalier.json says so): config.json, model.safetensors.
namespace espalier::folder {

inline constexpr const char* kDenoiser = "denoiser";  // a role
inline constexpr const char* kSchedulerConfig = "scheduler/scheduler_config.json";

// ModelInfo::components of a model with these weights: what stands before the first dot of their names, sorted.
std::vector<std::string> components_of(const Weights& weights);

Value read_json(const std::filesystem::path& path);
void write_json(const Value& value, const std::filesystem::path& path);

// Throws DataError naming every piece that the folder lacks.
void require_files(const std::filesystem::path& folder, const std::vector<std::string>& pieces, const std::string& layout);

// The tensors of a component's file, behind its prefix, on the CPU; read as float32.
void read_weights(const std::filesystem::path& path, const std::string& prefix, Weights& weights);
void write_weights(const Weights& weights, const std::string& prefix, const std::filesystem::path& path);

// All of a network's weights, drawn from the seed, when the folder lacks one of the files; none when it has them all. Throws DataError
// naming the missing file where there is no seed, and where weights lie beside it under another name: those are not to be drawn.
Weights draw_if_missing(const std::filesystem::path& folder, const std::vector<std::string>& files, const Network& network,
                        std::optional<std::uint64_t> fresh_weights);

// What espalier.json adds: role, steps, what is corrected. The rest of a ModelInfo is what the folder itself holds.
ModelInfo read_annotations(const std::filesystem::path& folder);

// A denoiser of these parts and the folder's noise process.
Model assemble(const std::filesystem::path& folder, std::shared_ptr<const Network> network, Weights weights, ModelInfo info);

void write_scheduler(const Model& model, const std::filesystem::path& folder);

// model_index.json: the denoising network (`component` of the architecture), the scheduler, and further components as
// {"name": [library, class]}.
void write_model_index(const Model& model, const std::filesystem::path& folder, const std::string& component, Value::Map further = {});

// A model that is no denoiser.
Model read_other(const std::filesystem::path& folder, ModelInfo info);
void write_other(const Model& model, const std::filesystem::path& folder);

}  // namespace espalier::folder
