#include "plugins/shared/images/latent_codec.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <utility>

#include "plugins/shared/images/image.h"
#include "runtime/base/errors.h"
#include "runtime/network/autoencoder_kl.h"
#include "runtime/network/settings.h"

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
  LatentCodec(const ImageSize& image, network::AutoencoderKL vae, const network::NetworkSettings& settings)
      : image_(image), vae_(std::move(vae)), samples_(settings.sample_mode == "sample"), tiles_(settings.vae_tiling) {}

  StateSpec spec() const override {
    return {{"sample", {{vae_.latent_channels(), image_.height / vae_.factor(), image_.width / vae_.factor()}, at::kFloat}}};
  }
  Value key() const override {
    Value key = Value::Map{{"type", "latents"}, {"vae", vae_.config()}, {"posterior", samples_ ? "sample" : "mean"}};
    if (tiles_) key["tiling"] = true;
    return key;
  }
  std::vector<std::string> components() const override { return {"vae"}; }

  State encode(const Sample& sample, const CodecContext& context) const override {
    const at::NoGradGuard no_grad;
    const auto& weights = weights_of(context);
    const auto images = resized(sample.tensors.at("image"), image_.height, image_.width).mul(2.0).sub(1.0).to(context.device);
    if (!samples_) {
      return {
          {"sample", row_by_row(images, [&](const at::Tensor& image) { return vae_.scaled(vae_.encode(weights, kPrefix, image).mean); })}};
    }
    if (context.draws == nullptr) throw InternalError("latents are sampled, but there is no stream to draw from");
    const auto noise = context.draws->normals(spec().at("sample").shape).to(context.device);
    std::vector<at::Tensor> rows;
    for (std::int64_t i = 0; i < images.size(0); ++i) {
      const auto posterior = vae_.encode(weights, kPrefix, images.narrow(0, i, 1));
      rows.push_back(vae_.scaled(posterior.mean + (posterior.logvar * 0.5).exp() * noise.narrow(0, i, 1)));
    }
    return {{"sample", at::cat(rows)}};
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
  bool samples_, tiles_;
};

}  // namespace

std::shared_ptr<const Codec> make_latent_codec(const ImageSize& image, const ModelInfo& model) {
  network::NetworkSettings settings;
  settings.read(model.settings, "the model's settings");
  return std::make_shared<LatentCodec>(image, network::AutoencoderKL(model.architecture.at("vae"), "vae/config.json", settings.vae_tiling),
                                       settings);
}

}  // namespace espalier::images
