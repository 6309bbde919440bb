// How few kilobytes an image takes as a JPEG, or how many (Black et al. 2023, arXiv 2305.13301, 4.1).
#include <ATen/ops/empty.h>

#include <limits>
#include <string>

#include "plugins/shared/images/image.h"
#include "plugins/shared/images/jpeg.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;

class JpegCompressibility final : public Reward {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples").of("image"); }
  void options(Schema& schema) override {
    schema.choice("prefer", prefer_, {"small", "large"}, "Which files score high: small (compressibility) or large (incompressibility).");
    schema.integer("quality", quality_, "The JPEG's quality.").at_least(1).at_most(100);
  }

  Value identity() const override { return Value::Map{{"encoder", images::jpeg_version()}}; }

  // sample: "image" [B, 3 or 1, H, W] in [0, 1]; an image with a NaN or an infinity scores NaN.
  at::Tensor score(const RewardInput& input) const override {
    const auto found = input.sample.tensors.find("image");
    if (found == input.sample.tensors.end() || found->second.dim() != 4) {
      throw StageError("reward.jpeg_compressibility: needs 'image' [B, 3 or 1, H, W]");
    }
    const at::Tensor& image = found->second;
    at::Tensor scores = at::empty({image.size(0)}, at::kDouble);
    for (std::int64_t b = 0; b < image.size(0); ++b) scores.data_ptr<double>()[b] = score_of(image.narrow(0, b, 1));
    return scores;
  }

 private:
  double score_of(const at::Tensor& image) const {  // [1, 3 or 1, H, W]
    if (!image.isfinite().all().item<bool>()) return std::numeric_limits<double>::quiet_NaN();
    const auto bytes = images::encode_jpeg(images::draw_images(image).front(), static_cast<int>(quality_)).size();
    return static_cast<double>(bytes) / (prefer_ == "large" ? 1000.0 : -1000.0);
  }

  std::string prefer_ = "small";
  std::int64_t quality_ = 95;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.reward<JpegCompressibility>("jpeg_compressibility", /*numerics_version=*/1,
                                     "Minus the kilobytes of an image as a JPEG file; or, to prefer large files, the kilobytes.");
}
