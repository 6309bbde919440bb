#include "plugins/shared/images/pixel_codec.h"

#include <ATen/TensorOperators.h>

#include "plugins/shared/images/image.h"

namespace espalier::images {
namespace {

class PixelCodec final : public Codec {
 public:
  explicit PixelCodec(const ImageSize& size) : size_(size) {}

  StateSpec spec() const override { return {{"sample", {{size_.channels, size_.height, size_.width}, at::kFloat}}}; }
  Value key() const override { return Value::Map{{"type", "pixels"}, {"range", Value::List{-1.0, 1.0}}}; }

  State encode(const Sample& sample, const CodecContext& context) const override {
    const auto image = resized(sample.tensors.at("image"), size_.height, size_.width);
    return {{"sample", image.mul(2.0).sub(1.0).to(context.device)}};
  }
  Sample decode(const State& state, const CodecContext&) const override {
    return {"image", {{"image", state.at("sample").to(at::kFloat).add(1.0).div(2.0).clamp(0.0, 1.0)}}, {}};
  }
  std::vector<Image> draw(const Sample& sample) const override { return draw_images(sample.tensors.at("image")); }
  bool has_canonical_keys() const override { return true; }
  std::vector<std::string> canonical_keys(const Sample& sample) const override { return image_keys(sample.tensors.at("image")); }

 private:
  ImageSize size_;
};

}  // namespace

std::shared_ptr<const Codec> make_pixel_codec(const ImageSize& size) { return std::make_shared<PixelCodec>(size); }

at::Tensor as_decoded(const at::Tensor& image) { return image.mul(2.0).sub(1.0).add(1.0).div(2.0).clamp(0.0, 1.0); }

}  // namespace espalier::images
