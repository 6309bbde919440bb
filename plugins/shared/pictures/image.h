#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/picture.h"

// What the picture domains share: finding and reading picture files, pixels as tensors, and model folders with a U-Net.
namespace espalier::pictures {

// [N, C, H, W] uint8 to float in [0, 1], cropped to its middle square and resized with antialiasing to `resolution` (0: left as it is).
at::Tensor to_image(const at::Tensor& bytes, std::int64_t resolution);

// image [B, 3 or 1, H, W] in [0, 1].
std::vector<Picture> draw_images(const at::Tensor& image);

// A folder as it is written, or a data set's name: a folder of that name in ESPALIER_DATA, datasets or ../shared/data. Throws DataError,
// naming `plugin` and the folders tried.
std::filesystem::path find_data(const std::string& data, const std::string& plugin);

}  // namespace espalier::pictures
