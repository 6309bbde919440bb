#pragma once

#include <filesystem>

#include "plugins/shared/images/model_folder.h"

// Folders in the diffusers layout, as plugins/shared/images/model_folder.h describes them, whose U-Net has no text to attend to.
namespace espalier::unconditional {

// A U-Net of images alone: state "sample" [B, C, H, W], no condition.
class ImageNetwork final : public Network {
 public:
  explicit ImageNetwork(network::UNet unet);

  Value architecture() const override;  // {"unet": config}, with every default filled in
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override;
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  Weights initialize(std::uint64_t seed) const override;

  // Throws DataError naming origin and the first weight that is missing, misshapen or unknown.
  void check(const Weights& weights, const std::string& origin) const;

 private:
  network::UNet unet_;
};

// Reads a folder whole, weights on the CPU as float32. Throws DataError naming every missing piece, or what does not fit together.
Model read_model(const std::filesystem::path& folder, const images::ModelRules& rules);

// Writes into an existing empty folder, each file durable.
void write_model(const Model& model, const std::filesystem::path& folder);

}  // namespace espalier::unconditional
