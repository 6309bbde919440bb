#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sdk/image.h"

// What the image domains share: reading image files, and pixels as tensors.
namespace espalier::images {

// [N, C, H, W] uint8 to float in [0, 1], cropped to its middle square and resized with antialiasing to `resolution` (0: left as it is).
at::Tensor to_image(const at::Tensor& bytes, std::int64_t resolution);

// image [B, C, H, W] resized with antialiasing, its sides stretched where they have other proportions.
at::Tensor resized(const at::Tensor& image, std::int64_t height, std::int64_t width);

// image [B, 3 or 1, H, W] in [0, 1].
std::vector<Image> draw_images(const at::Tensor& image);

// Canonical keys of images: a digest of the 8-bit pixels and their size, so that equal keys are equal images to the last level of 256.
std::vector<std::string> image_keys(const at::Tensor& image);

}  // namespace espalier::images
