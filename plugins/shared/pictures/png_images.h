#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <vector>

namespace espalier::pictures {

// What the first bytes of a PNG file say.
struct PngHeader {
  std::int64_t width = 0, height = 0;
  bool grey = false;  // stored without colours
};
PngHeader read_png_header(const std::filesystem::path& path);  // throws DataError naming the file

// Some PNG files of a folder, as 8-bit grey or RGB. They are read when first asked for, and then held in memory as bytes.
class PngImages {
 public:
  // files: relative to the folder; channels 3, or 1 for files that are grey; resolution as to_image's.
  PngImages(std::filesystem::path folder, std::vector<std::filesystem::path> files, std::int64_t channels, std::int64_t resolution);

  std::int64_t size() const { return static_cast<std::int64_t>(files_.size()); }
  // [B, C, H, W] float in [0, 1]; thread-safe. Throws DataError naming a file that is damaged or has another size than the first.
  at::Tensor at(const std::vector<std::int64_t>& rows) const;

 private:
  at::Tensor load() const;
  std::filesystem::path folder_;
  std::vector<std::filesystem::path> files_;
  std::int64_t channels_, resolution_;
  mutable std::once_flag loaded_;
  mutable at::Tensor images_;  // [N, C, H, W] uint8
};

}  // namespace espalier::pictures
