#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "runtime/base/remembered_digests.h"
#include "runtime/modelfile/model.h"
#include "runtime/network/registry.h"

// Model folders. A denoiser's folder has the diffusers layout:
//   model_index.json                                                 which components to read; without it all that exist
//   <component>/{config.json, diffusion_pytorch_model.safetensors}   unet, transformer, ...: by `_class_name` in the registry
//   text_encoder/{config.json, model.safetensors}, tokenizer/        for a network that takes texts; for SDXL's also
//   text_encoder_2/, tokenizer_2/
//   vae/{config.json, diffusion_pytorch_model.safetensors}           for a network of latents
//   scheduler/scheduler_config.json                                  the noise process
//   espalier.json                                                    what the engine adds (ModelInfo::annotations)
// A component's weights may be a variant or shards (component_weights.h), in float32, float16 or bfloat16.
// The folder of a model of another role, which espalier.json names, has config.json, model.safetensors and espalier.json.
// The folder of a model with an adapter has only the adapter (adapter.h).
namespace espalier::modelfile {

// How a folder is read.
struct LoadOptions {
  // A denoiser's component without a weights file gets new weights from this seed; without a seed that is an error.
  std::optional<std::uint64_t> initialize_weights = std::nullopt;
  // The dtype of a denoiser's computation and of its weights in memory; weights of another dtype are converted. ConfigError if the network
  // does not support it.
  at::ScalarType dtype = at::kFloat;
  // The variant of a denoiser's files, such as "fp16". A component without files of the variant is read from the plain ones; DataError if
  // no component has any.
  std::string variant = {};
  std::string prediction_type = {};    // replaces that of the scheduler file; "": keeps it. ConfigError if the process has none
  std::int64_t height = 0, width = 0;  // of images, in pixels; replace the network's sample_size; 0: keep it
  std::optional<std::filesystem::path> adapter = std::nullopt;  // folder or file of an adapter to add (adapter.h)
  Value settings = Value::Map{};                                // keys of NetworkSettings; replace the folder's
};

// Throws DataError, naming origin, for a key or value that LoadOptions::settings does not allow.
void check_settings(const Value& settings, const std::string& origin);

// Returns the registered network whose component is in a denoiser's folder. Throws DataError if there is none.
const network::NetworkEntry& network_of(const std::filesystem::path& folder, const network::Registry& networks);

// Throws ConfigError if there is no such folder. For a hub's id or a single-file checkpoint the message has the command that makes a folder
// of it.
void require_folder(const std::filesystem::path& folder);

// Opens the network of a denoiser's folder, even if the folder lacks other files; null for a model of another role.
std::shared_ptr<const Network> open_network(const std::filesystem::path& folder, const network::Registry& networks,
                                            const LoadOptions& options = {});

// Returns the info of a folder's model without reading its weights into memory: their digest is remembered, or computed once from the
// mapped files, which then must be finite. Throws ConfigError if there is no such folder; DataError naming all missing files, or the files
// that do not fit together.
ModelInfo info(const std::filesystem::path& folder, const network::Registry& networks, const LoadOptions& options = {},
               RememberedDigests* digests = nullptr);

// Loads the whole model on the CPU. Weights that have the dtype of LoadOptions stay in the mapped files. The digest is computed from the
// mapped bytes, never remembered.
Model load(const std::filesystem::path& folder, const network::Registry& networks, const LoadOptions& options = {});

// Writes the model durably into an existing empty folder; load() returns the same model. A model with an adapter: save_adapter().
void save(const Model& model, const std::filesystem::path& folder);

}  // namespace espalier::modelfile
