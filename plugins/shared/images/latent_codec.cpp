#include "plugins/shared/images/latent_codec.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <utility>

#include "plugins/shared/images/image.h"
#include "runtime/base/errors.h"
#include "runtime/network/autoencoder_kl.h"

namespace espalier::images {
namespace {

constexpr const char* kPrefix = "vae.";

// map() of each row alone.
template <class Map>
at::Tensor row_by_row(const at::Tensor& batch, const Map& map) {
  std::vector<at::Tensor> rows;
  for (const auto& row : batch.split(1)) rows.push_back(map(row));
  return at::cat(rows);
}

class LatentCodec final : public Codec {
 public:
  LatentCodec(const ImageSize& image, network::AutoencoderKL vae) : image_(image), vae_(std::move(vae)) {}

  StateSpec spec() const override {
    return {{"sample", {{vae_.latent_channels(), image_.height / vae_.factor(), image_.width / vae_.factor()}, at::kFloat}}};
  }
  Value key() const override { return Value::Map{{"type", "latents"}, {"vae", vae_.config()}, {"posterior", "mean"}}; }
  bool needs_model() const override { return true; }

  State encode(const Sample& sample, const CodecContext& context) const override {
    const at::NoGradGuard no_grad;
    const auto& weights = weights_of(context);
    const auto images = resized(sample.tensors.at("image"), image_.height, image_.width).mul(2.0).sub(1.0).to(context.device);
    return {
        {"sample", row_by_row(images, [&](const at::Tensor& image) { return vae_.scaled(vae_.encode(weights, kPrefix, image).mean); })}};
  }

  Sample decode(const State& state, const CodecContext& context) const override {
    const at::NoGradGuard no_grad;
    const auto& weights = weights_of(context);
    const auto latents = state.at("sample").to(context.device, at::kFloat);
    auto image = row_by_row(latents, [&](const at::Tensor& row) {
      return vae_.decode(weights, kPrefix, vae_.unscaled(row)).add(1.0).div(2.0).clamp(0.0, 1.0);
    });
    return {"image", {{"image", std::move(image)}}, {}};
  }

  std::vector<Image> draw(const Sample& sample) const override { return draw_images(sample.tensors.at("image")); }
  bool has_canonical_keys() const override { return true; }
  std::vector<std::string> canonical_keys(const Sample& sample) const override { return image_keys(sample.tensors.at("image")); }

 private:
  static const Weights& weights_of(const CodecContext& context) {
    if (context.model == nullptr) throw InternalError("latents are encoded and decoded by a model's vae, but there is no model");
    return context.model->weights;
  }

  ImageSize image_;
  network::AutoencoderKL vae_;
};

}  // namespace

std::shared_ptr<const Codec> make_latent_codec(const ImageSize& image, const Value& architecture) {
  return std::make_shared<LatentCodec>(image, network::AutoencoderKL(architecture.at("vae"), "vae/config.json"));
}

}  // namespace espalier::images
