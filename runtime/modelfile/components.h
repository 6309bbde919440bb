#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/network/registry.h"

// The components in a denoiser's folder, and their configs.
namespace espalier::modelfile {

inline constexpr const char* kTextEncoder = "text_encoder";
inline constexpr const char* kTextEncoder2 = "text_encoder_2";

bool is_text_encoder(const std::string& component);

struct Components {
  std::vector<std::string> names;          // components whose weights the model has: first the network's, then the others
  std::vector<std::string> text_encoders;  // those of `names` that are text encoders
  network::ComponentConfigs configs;
};

// Reads the components of a folder. Throws DataError naming every file that the folder lacks, except weights.
Components read_components(const std::filesystem::path& folder, const network::NetworkEntry& entry);

// Throws DataError if the folder's index names a component that Espalier does not read: the computation would lack it.
void refuse_other_components(const std::filesystem::path& folder, const network::NetworkEntry& entry);

// Sets the network's sample_size from the size of images in pixels (0: keeps the folder's). The size of latents is smaller by the VAE's
// factor. Throws ConfigError naming the folder if only one of height and width is given, if the network has no sample_size, or if the
// factor does not divide the size.
void set_size(const std::filesystem::path& folder, const network::NetworkEntry& entry, std::int64_t height, std::int64_t width,
              network::ComponentConfigs& configs);

// Throws DataError naming the files that are missing; `layout` names the layout that requires them.
void require_files(const std::filesystem::path& folder, const std::vector<std::string>& pieces, const std::string& layout);

}  // namespace espalier::modelfile
