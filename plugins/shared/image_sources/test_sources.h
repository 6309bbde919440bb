#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/shared/image_sources/idx_source.h"

// What the tests of this folder share.
namespace espalier::images {

inline constexpr const char* kPlugin = "domain.test";

inline std::vector<std::uint64_t> first(std::uint64_t count, std::uint64_t from = 0) {
  std::vector<std::uint64_t> positions(count);
  std::iota(positions.begin(), positions.end(), from);
  return positions;
}

// The four files of write_idx_folder, under Fashion-MNIST's names.
inline IdxFiles idx_files(const std::filesystem::path& folder, std::vector<std::string> class_names) {
  return {folder,
          "train-images-idx3-ubyte",
          "train-labels-idx1-ubyte",
          "t10k-images-idx3-ubyte",
          "t10k-labels-idx1-ubyte",
          std::move(class_names)};
}

// The same without the test files.
inline IdxFiles train_files(const std::filesystem::path& folder, std::vector<std::string> class_names) {
  auto files = idx_files(folder, std::move(class_names));
  files.test_images = files.test_labels = "";
  return files;
}

// A data set of ESPALIER_DATA.
inline std::optional<std::filesystem::path> data_set(const std::string& name) {
  const char* base = std::getenv("ESPALIER_DATA");
  if (base == nullptr || !std::filesystem::is_directory(std::filesystem::path(base) / name)) return std::nullopt;
  return std::filesystem::path(base) / name;
}

}  // namespace espalier::images
