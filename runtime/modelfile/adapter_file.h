#pragma once

#include <filesystem>

#include "runtime/network/network.h"

namespace espalier::modelfile {

inline constexpr const char* kAdapterFile = "pytorch_lora_weights.safetensors";  // diffusers' name, in a folder

// Reads a safetensors file as diffusers' save_lora_weights writes it. It has for each module "unet.<module>.lora_A.weight" and
// "lora_B.weight" (or "lora.down.weight" and "lora.up.weight", as some of diffusers' training scripts write them). The scale alpha / rank
// comes from "unet.<module>.alpha" or the metadata "lora_adapter_metadata"; without either it is 1. Returns float32 tensors under PEFT's
// names, with the scale multiplied into lora_B (network/adapter.h). Throws DataError naming the file and a tensor that is unknown, lacks
// its partner or has another form, and for names of other programs the command that converts the file.
Weights read_adapter(const std::filesystem::path& file);

// Returns the bytes of a file with the adapter of these weights, under the same names.
std::string format_adapter(const Weights& weights);

}  // namespace espalier::modelfile
