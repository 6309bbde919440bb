#include "plugins/domain/text_to_image/source.h"

#include <ATen/ops/_upsample_bilinear2d_aa.h>

#include <algorithm>

namespace espalier::text_to_image {

at::Tensor to_image(const at::Tensor& bytes, std::int64_t resolution) {
  const at::Tensor image = bytes.to(at::kFloat).div(255.0);
  if (resolution == 0 || (image.size(2) == resolution && image.size(3) == resolution)) return image;
  const std::int64_t side = std::min(image.size(2), image.size(3));
  const at::Tensor square = image.narrow(2, (image.size(2) - side) / 2, side).narrow(3, (image.size(3) - side) / 2, side);
  return at::_upsample_bilinear2d_aa(square.contiguous(), {resolution, resolution}, /*align_corners=*/false).clamp(0.0, 1.0);
}

}  // namespace espalier::text_to_image
