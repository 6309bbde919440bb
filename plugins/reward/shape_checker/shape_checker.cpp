// The weighted share of the statements of a shapes prompt that its image shows, in [0, 1]; or how like the renderer's images it is.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "plugins/reward/shape_checker/checker.h"
#include "plugins/reward/shape_checker/misfit.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::StageError;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

class ShapeChecker final : public espalier::Reward {
 public:
  void inputs(espalier::Inputs& in) override { in.trajectories("samples").of("image"); }
  void options(espalier::Schema& schema) override {
    schema.number("extra_object_penalty", extra_object_penalty_, "Share of the score lost for each object that the prompt does not name.")
        .at_least(0.0)
        .at_most(1.0);
    schema.choice(
        "measure", measure_, {"prompt", "likeness"},
        "What is scored: how much of the prompt the image shows, or, of images that show all of it and nothing else, minus the root mean "
        "square difference to the nearest image of the world's renderer (other images score NaN).");
  }

  // sample: "image" [B, 3, H, W] in [0, 1]; an image with a NaN or an infinity scores NaN.
  at::Tensor score(const espalier::RewardInput& input) const override {
    const at::Tensor image = image_of(input);
    const std::int64_t height = image.size(2), width = image.size(3);
    const float* planes = image.const_data_ptr<float>();
    at::Tensor scores = at::empty({image.size(0)}, at::kDouble);
    auto* out = scores.data_ptr<double>();
    for (std::int64_t b = 0; b < image.size(0); ++b, planes += 3 * height * width) {
      const espalier::shapes::Prompt prompt = prompt_of(input.metadata[static_cast<std::size_t>(b)]);
      const bool finite = std::all_of(planes, planes + 3 * height * width, [](float value) { return std::isfinite(value); });
      out[b] = finite ? score_of(planes, height, width, prompt) : kNan;
    }
    return scores;
  }

 private:
  double score_of(const float* planes, std::int64_t height, std::int64_t width, const espalier::shapes::Prompt& prompt) const {
    if (measure_ == "prompt") {
      return espalier::shape_checker::score(espalier::shape_checker::inspect(planes, height, width, prompt), extra_object_penalty_);
    }
    const auto misfit = espalier::shape_checker::misfit(planes, height, width, prompt);
    return misfit ? -*misfit : kNan;
  }

  static at::Tensor image_of(const espalier::RewardInput& input) {
    const auto found = input.sample.tensors.find("image");
    if (found == input.sample.tensors.end()) throw StageError("reward.shape_checker: the sample has no tensor 'image' [B, 3, H, W]");
    const at::Tensor& image = found->second;
    if (image.dim() != 4 || image.size(1) != 3) {
      throw StageError("reward.shape_checker: needs RGB images, 'image' [B, 3, H, W]; found " + std::to_string(image.dim()) +
                       " dimensions" + (image.dim() > 1 ? " and " + std::to_string(image.size(1)) + " channels" : ""));
    }
    if (image.size(0) != static_cast<std::int64_t>(input.metadata.size())) {
      throw StageError("reward.shape_checker: " + std::to_string(image.size(0)) + " images but metadata of " +
                       std::to_string(input.metadata.size()));
    }
    return image.to(at::kCPU, at::kFloat).contiguous();
  }

  static espalier::shapes::Prompt prompt_of(const espalier::Value& metadata) {
    try {
      return espalier::shapes::prompt_of(metadata);
    } catch (const espalier::DataError& error) {
      throw StageError(std::string("reward.shape_checker judges prompts of the shapes world (domain.text_to_image with "
                                   "prompts = \"shapes\"): ") +
                       error.what());
    }
  }

  double extra_object_penalty_ = 0.25;
  std::string measure_ = "prompt";
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.reward<ShapeChecker>("shape_checker", /*numerics_version=*/2,
                                 "Share of a shapes prompt's colours, shapes and relation that the image shows.");
}
