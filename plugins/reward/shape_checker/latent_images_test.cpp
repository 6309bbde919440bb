#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>

#include <random>
#include <string>

#include "plugins/reward/shape_checker/checker.h"
#include "plugins/shared/shapes/renderer.h"
#include "runtime/modelfile/folder.h"
#include "runtime/network/autoencoder_kl.h"
#include "runtime/network/registry.h"

namespace espalier::shape_checker {
namespace {

constexpr std::int64_t kSize = 64;

at::Tensor image_of(const shapes::Prompt& prompt, std::mt19937& engine) {
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  shapes::Jitter jitter;
  for (double& value : jitter) value = uniform(engine);
  return shapes::render(shapes::place(prompt, jitter), kSize);
}

// What a latent model's images lose by the autoencoder alone, on scenes that it was not trained on.
TEST(LatentImages, TheAutoencoderKeepsWhatTheCheckerReads) {
  const at::NoGradGuard no_grad;
  const Model model =
      modelfile::load(ESPALIER_SOURCE_DIR "/datasets/models/shapes-latent-blank", network::engine_networks(), {.initialize_weights = 1});
  const network::AutoencoderKL vae(model.info.architecture.at("vae"), "vae/config.json");
  std::mt19937 engine(5);
  double error = 0.0, score_of_decoded = 0.0, spread = 0.0;
  const auto prompts = shapes::held_out_prompts();
  for (const shapes::Prompt& prompt : prompts) {
    const at::Tensor image = image_of(prompt, engine);
    const at::Tensor latents = vae.scaled(vae.encode(model.weights, "vae.", image.unsqueeze(0) * 2 - 1).mean);
    const at::Tensor decoded = ((vae.decode(model.weights, "vae.", vae.unscaled(latents))[0] + 1) / 2).clamp(0, 1).contiguous();
    error += (decoded - image).abs().mean().item<double>() * 255.0;
    spread += latents.pow(2).mean().item<double>();
    score_of_decoded += score(inspect(decoded.const_data_ptr<float>(), kSize, kSize, prompt), /*extra_object_penalty=*/0.25);
  }
  const auto count = static_cast<double>(prompts.size());
  RecordProperty("error", std::to_string(error / count));
  RecordProperty("score", std::to_string(score_of_decoded / count));
  RecordProperty("spread", std::to_string(spread / count));
  EXPECT_LT(error / count, 1.5) << "of 255, a pixel and channel";
  EXPECT_GT(score_of_decoded / count, 0.995) << "1 of the images before";
  EXPECT_NEAR(spread / count, 1.0, 0.2) << "scaling_factor brings the latents near to a variance of 1";
}

}  // namespace
}  // namespace espalier::shape_checker
