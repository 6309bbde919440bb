#include "plugins/shared/images/image.h"

#include <ATen/ops/_upsample_bilinear2d_aa.h>

#include <algorithm>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"

namespace espalier::images {

at::Tensor to_image(const at::Tensor& bytes, std::int64_t resolution) {
  at::Tensor image = bytes.to(at::kFloat).div(255.0);
  if (resolution == 0 || (image.size(2) == resolution && image.size(3) == resolution)) return image;
  const std::int64_t side = std::min(image.size(2), image.size(3));
  const at::Tensor square = image.narrow(2, (image.size(2) - side) / 2, side).narrow(3, (image.size(3) - side) / 2, side);
  return resized(square, resolution, resolution);
}

at::Tensor resized(const at::Tensor& image, std::int64_t height, std::int64_t width) {
  if (image.size(2) == height && image.size(3) == width) return image;
  return at::_upsample_bilinear2d_aa(image.contiguous(), {height, width}, /*align_corners=*/false).clamp(0.0, 1.0);
}

std::vector<Image> draw_images(const at::Tensor& image) {
  const std::int64_t height = image.size(2), width = image.size(3);
  const at::Tensor bytes = image.detach()
                               .to(at::kCPU)
                               .expand({image.size(0), 3, height, width})
                               .permute({0, 2, 3, 1})
                               .clamp(0.0, 1.0)
                               .mul(255.0)
                               .round()
                               .to(at::kByte)
                               .contiguous();  // [B, H, W, 3]
  std::vector<Image> images;
  const std::uint8_t* data = bytes.const_data_ptr<std::uint8_t>();
  for (std::int64_t b = 0; b < bytes.size(0); ++b, data += 3 * height * width) {
    images.push_back({width, height, {data, data + 3 * height * width}});
  }
  return images;
}

std::vector<std::string> image_keys(const at::Tensor& images) {
  std::vector<std::string> keys;
  for (const Image& image : draw_images(images)) {
    Sha256 digest;
    digest.update(std::to_string(image.width) + "x" + std::to_string(image.height) + ":");
    digest.update(image.rgb.data(), image.rgb.size());
    keys.push_back(digest.finish_hex());
  }
  return keys;
}

}  // namespace espalier::images
