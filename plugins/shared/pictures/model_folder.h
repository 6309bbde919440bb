#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/model/unet.h"
#include "runtime/sdk/model.h"

// What picture domains share of model folders in the diffusers layout:
//   unet/{config.json, diffusion_pytorch_model.safetensors}   scheduler/scheduler_config.json   model_index.json
//   espalier.json (the engine's: role, the steps the model is for, what it corrects)
// and of models that are no denoisers (espalier.json says so): config.json, model.safetensors.
namespace espalier::pictures {

inline constexpr const char* kDenoiser = "denoiser";  // a role
inline constexpr const char* kUNet = "unet.";         // prefix of diffusers' names in Weights
inline constexpr const char* kUNetConfig = "unet/config.json";
inline constexpr const char* kUNetWeights = "unet/diffusion_pytorch_model.safetensors";
inline constexpr const char* kSchedulerConfig = "scheduler/scheduler_config.json";

struct ModelRules {
  std::int64_t channels = 3;  // of the pictures
  std::int64_t height = 0, width = 0;
  std::optional<std::uint64_t> fresh_weights;  // a component without weights gets new ones from this seed; else it is a DataError
};

Value read_json(const std::filesystem::path& path);
void write_json(const Value& value, const std::filesystem::path& path);

// Throws DataError naming every piece that the folder lacks.
void require_files(const std::filesystem::path& folder, const std::vector<std::string>& pieces, const std::string& layout);

// The tensors of a component's file, behind its prefix, on the CPU; read as float32.
void read_weights(const std::filesystem::path& path, const std::string& prefix, Weights& weights);
void write_weights(const Weights& weights, const std::string& prefix, const std::filesystem::path& path);

// All of a network's weights, drawn, when the folder lacks one of the files; none when it has them all. Throws DataError naming the missing
// file where the rules do not allow that.
Weights draw_if_missing(const std::filesystem::path& folder, const std::vector<std::string>& files, const Network& network,
                        const ModelRules& rules);

// The U-Net of a folder's config, checked against the pictures. Throws DataError.
model::UNet read_unet(const std::filesystem::path& folder, const ModelRules& rules);

// What espalier.json adds: role, steps, what is corrected. The rest of a ModelInfo is what the folder itself holds.
ModelInfo read_annotations(const std::filesystem::path& folder);

// A denoiser of these parts and the folder's noise process.
Model assemble(const std::filesystem::path& folder, std::shared_ptr<const Network> network, Weights weights, ModelInfo info);

// unet/ and scheduler/ of a denoiser, into an existing empty folder, each file durable.
void write_unet(const Model& model, const std::filesystem::path& folder);

// model_index.json: the U-Net, the scheduler, and further components as {"name": [library, class]}.
void write_model_index(const Model& model, const std::filesystem::path& folder, const Value::Map& further);

// A model that is no denoiser.
Model read_other(const std::filesystem::path& folder, ModelInfo info);
void write_other(const Model& model, const std::filesystem::path& folder);

}  // namespace espalier::pictures
