#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "plugins/shared/folder/model_folder.h"
#include "runtime/network/unet.h"

// What image domains share of model folders: the U-Net, unet/{config.json, diffusion_pytorch_model.safetensors}.
namespace espalier::images {

inline constexpr const char* kUNet = "unet.";  // prefix of diffusers' names in Weights
inline constexpr const char* kUNetConfig = "unet/config.json";
inline constexpr const char* kUNetWeights = "unet/diffusion_pytorch_model.safetensors";

struct ModelRules {
  std::int64_t channels = 3;  // of the images
  std::int64_t height = 0, width = 0;
  std::optional<std::uint64_t> fresh_weights;  // a component without weights gets new ones from this seed; else it is a DataError
};

// The U-Net of a folder's config, checked against the images. Throws DataError.
network::UNet read_unet(const std::filesystem::path& folder, const ModelRules& rules);

// unet/ and scheduler/ of a denoiser, into an existing empty folder, each file durable.
void write_unet(const Model& model, const std::filesystem::path& folder);

}  // namespace espalier::images
