#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/network/registry.h"

// The components of a denoiser's folder: which there are, and their configs.
namespace espalier::modelfile {

inline constexpr const char* kTextEncoder = "text_encoder";
inline constexpr const char* kTextEncoder2 = "text_encoder_2";

bool is_text_encoder(const std::string& component);

struct Components {
  std::vector<std::string> names;          // whose weights the model has: the network's, then those that it is made with
  std::vector<std::string> text_encoders;  // of them
  network::ComponentConfigs configs;
};

// Throws DataError naming every file that the folder lacks, its weights aside.
Components read_components(const std::filesystem::path& folder, const network::NetworkEntry& entry);

// Throws DataError where the folder's index names a component that nothing here reads: it would be missing from what is computed.
void refuse_other_components(const std::filesystem::path& folder, const network::NetworkEntry& entry);

// Writes the size of images, in pixels (0: that of the folder), into the network's sample_size: of latents it is the VAE's factor times
// smaller. Throws ConfigError naming the folder where one of two is missing, the network has no sample_size, or the factor does not divide
// the size.
void set_size(const std::filesystem::path& folder, const network::NetworkEntry& entry, std::int64_t height, std::int64_t width,
              network::ComponentConfigs& configs);

// Throws DataError naming the pieces that are not there; `layout` says whose.
void require_files(const std::filesystem::path& folder, const std::vector<std::string>& pieces, const std::string& layout);

}  // namespace espalier::modelfile
