#include "plugins/shared/images/pixel_codec.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include "plugins/shared/images/image.h"
#include "runtime/base/errors.h"

namespace espalier::images {
namespace {

constexpr const char* kConfig = "unet/config.json";

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

// [height, width] of a config's sample_size: one number for both, a list, or null for the data's.
void read_sample_size(const Value& config, ImageSize& size) {
  const auto& found = config.at("sample_size");
  if (found.is_integer()) size.height = size.width = found.as_integer();
  if (found.is_list() && found.as_list().size() == 2) {
    size.height = found.as_list()[0].as_integer();
    size.width = found.as_list()[1].as_integer();
  }
}

void check_channels(const Value& config, std::int64_t channels) {
  for (const char* key : {"in_channels", "out_channels"}) {
    const auto found = config.at(key).as_integer();
    if (found == channels) continue;
    throw DataError(fmt::format("{}: {} is {}, but the domain's images have {} channels", kConfig, key, found, channels));
  }
}

void check_halvings(const Value& config, const ImageSize& size) {
  const auto halvings = config.at("block_out_channels").as_list().size() - 1;
  const auto divisor = std::int64_t{1} << halvings;
  if (size.height % divisor == 0 && size.width % divisor == 0) return;
  throw DataError(fmt::format("{}: halves images {} times over, so their sides must be multiples of {}; they are {} x {}", kConfig,
                              halvings, divisor, size.width, size.height));
}

}  // namespace

std::shared_ptr<const Codec> make_pixel_codec(const ImageSize& data, Conditioning conditioning, const ModelInfo* model) {
  if (model == nullptr) return std::make_shared<PixelCodec>(data);
  const auto* config = model->architecture.is_map() ? model->architecture.find("unet") : nullptr;
  if (config == nullptr) throw DataError("it is no U-Net (" + std::string(kConfig) + "); images need one");
  const bool takes_texts = model->architecture.contains("text_encoder");
  if (conditioning == Conditioning::texts && !takes_texts) {
    throw DataError("it has no text_encoder and no tokenizer, but the domain's conditions are prompts");
  }
  if (conditioning == Conditioning::none && takes_texts) {
    throw DataError("it has a text_encoder, but this domain's images have no prompts; take a U-Net without one");
  }
  ImageSize size = data;
  read_sample_size(*config, size);
  check_channels(*config, data.channels);
  check_halvings(*config, size);
  return std::make_shared<PixelCodec>(size);
}

at::Tensor as_decoded(const at::Tensor& image) { return image.mul(2.0).sub(1.0).add(1.0).div(2.0).clamp(0.0, 1.0); }

}  // namespace espalier::images
