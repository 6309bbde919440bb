#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "runtime/base/remembered_digests.h"
#include "runtime/modelfile/model.h"
#include "runtime/network/registry.h"

// Model folders. That of a denoiser is in the diffusers layout:
//   model_index.json                                                 which components are read; without it those that are there
//   <component>/{config.json, diffusion_pytorch_model.safetensors}   unet, transformer, ...: the registry's, by `_class_name`
//   text_encoder/{config.json, model.safetensors}, tokenizer/        of a network that takes texts; of SDXL's also
//   text_encoder_2/, tokenizer_2/
//   vae/{config.json, diffusion_pytorch_model.safetensors}           of a network of latents
//   scheduler/scheduler_config.json                                  the noise process
//   espalier.json                                                    what the engine adds (ModelInfo::annotations)
// A component's weights may be a variant's, or shards (component_weights.h), of float32, float16 or bfloat16.
// That of a model of another role, which espalier.json names: config.json, model.safetensors, espalier.json.
// That of a model with an adapter holds the adapter alone (adapter.h).
namespace espalier::modelfile {

// How a folder is read.
struct LoadOptions {
  // A component of a denoiser whose file of weights is not there gets new ones from this seed; without a seed that is an error.
  std::optional<std::uint64_t> initialize_weights = std::nullopt;
  // That a denoiser is computed in, and of its weights in memory: those of another dtype are converted. ConfigError where the network is
  // not computed in it.
  at::ScalarType dtype = at::kFloat;
  // Of a denoiser's files, "fp16": a component without files of the variant is read from the plain ones; DataError where all are.
  std::string variant = {};
  std::string prediction_type = {};    // in place of the scheduler file's; "": that one. ConfigError where the process has none
  std::int64_t height = 0, width = 0;  // of images, in pixels, in place of the network's sample_size; 0: that
  std::optional<std::filesystem::path> adapter = std::nullopt;  // a folder or file whose adapter is added (adapter.h)
  Value settings = Value::Map{};                                // NetworkSettings' keys, in place of the folder's
};

// Throws DataError, naming origin, for what is no setting of LoadOptions::settings.
void check_settings(const Value& settings, const std::string& origin);

// The registered network whose component lies in the folder of a denoiser. Throws DataError where there is none.
const network::NetworkEntry& network_of(const std::filesystem::path& folder, const network::Registry& networks);

// Throws ConfigError where there is no such folder, saying what makes one of a hub's id or a single-file checkpoint.
void require_folder(const std::filesystem::path& folder);

// The network of a denoiser's folder, whatever else the folder lacks; null for a model of another role.
std::shared_ptr<const Network> open_network(const std::filesystem::path& folder, const network::Registry& networks,
                                            const LoadOptions& options = {});

// Reads no weights into memory: their digest is remembered, or made once from the mapped file. A weight that is not finite is refused then.
// Throws ConfigError where there is no such folder, DataError naming every missing piece, or what does not fit together.
ModelInfo info(const std::filesystem::path& folder, const network::Registry& networks, const LoadOptions& options = {},
               RememberedDigests* digests = nullptr);

// The whole model on the CPU. Weights of the wanted dtype stay in the mapped file. The digest is that of the bytes that are there now.
Model load(const std::filesystem::path& folder, const network::Registry& networks, const LoadOptions& options = {});

// Writes the model into an existing empty folder, each file durable; load() gives it back. Of a model with an adapter: save_adapter().
void save(const Model& model, const std::filesystem::path& folder);

}  // namespace espalier::modelfile
