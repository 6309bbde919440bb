#pragma once

#include <filesystem>

#include "runtime/network/network.h"

namespace espalier::modelfile {

inline constexpr const char* kAdapterFile = "pytorch_lora_weights.safetensors";  // diffusers' name, in a folder

// A safetensors file as diffusers' save_lora_weights writes it: for each module "unet.<module>.lora_A.weight" and "lora_B.weight" (or
// "lora.down.weight" and "lora.up.weight", as diffusers' training scripts write some of them), and the scale alpha / rank from
// "unet.<module>.alpha" or the metadata "lora_adapter_metadata"; without either it is 1. Gives float32 tensors under PEFT's names, the
// scale in lora_B (network/adapter.h). Throws DataError naming the file and the tensor that is unknown, alone or of another form, and for
// names of other programs the command that converts them.
Weights read_adapter(const std::filesystem::path& file);

// The file's bytes for the adapter of these weights; their names are the file's.
std::string format_adapter(const Weights& weights);

}  // namespace espalier::modelfile
