#include "plugins/reward/shape_checker/misfit.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "plugins/reward/shape_checker/checker.h"
#include "plugins/reward/shape_checker/segmentation.h"
#include "plugins/shared/shapes/renderer.h"
#include "runtime/base/errors.h"

namespace espalier::shape_checker {
namespace {

constexpr double kFirstStep = 0.25;  // in pixels, of positions and radii alike
constexpr double kLastStep = 1.0 / 64.0;

using Placement = std::array<double, 3>;  // x, y and radius of an object, in pixels (shapes::coverage)

class Fit {
 public:
  Fit(const float* planes, std::int64_t height, std::int64_t width, const shapes::Prompt& prompt, std::array<Placement, 2> begin)
      : planes_(planes), height_(height), width_(width), prompt_(prompt), placement_(begin) {
    for (std::size_t i = 0; i < 2; ++i) covered_[i] = drawn(i, placement_[i]);
  }

  double smallest_square_error() {
    double best = square_error(covered_[0], covered_[1]);
    for (double step = kFirstStep; step >= kLastStep; step /= 2.0) {
      while (improve(step, best)) {
      }
    }
    return best;
  }

 private:
  std::vector<float> drawn(std::size_t object, const Placement& at) const {
    std::vector<float> covered(static_cast<std::size_t>(height_ * width_));
    shapes::coverage(prompt_.shape[object], at[0], at[1], at[2], width_, height_, covered.data());
    return covered;
  }

  // The sum over pixels and channels.
  double square_error(const std::vector<float>& first, const std::vector<float>& second) const {
    const std::size_t pixels = first.size();
    double sum = 0.0;
    for (std::size_t c = 0; c < 3; ++c) {
      const auto background = static_cast<float>(shapes::kBackground[c]);
      const float contrast[] = {static_cast<float>(shapes::kPalette[prompt_.colour[0]].rgb[c]) - background,
                                static_cast<float>(shapes::kPalette[prompt_.colour[1]].rgb[c]) - background};
      const float* plane = planes_ + c * pixels;
      for (std::size_t p = 0; p < pixels; ++p) {
        const double error = plane[p] - background - first[p] * contrast[0] - second[p] * contrast[1];
        sum += error * error;
      }
    }
    return sum;
  }

  // Tries each parameter a step to both sides and keeps what lowers the error; false if nothing does.
  bool improve(double step, double& best) {
    bool improved = false;
    for (std::size_t i = 0; i < 2; ++i) {
      for (std::size_t parameter = 0; parameter < 3; ++parameter) {
        for (const double side : {-step, step}) {
          Placement tried = placement_[i];
          tried[parameter] += side;
          if (tried[2] <= 0.0) continue;
          auto covered = drawn(i, tried);
          const double error = i == 0 ? square_error(covered, covered_[1]) : square_error(covered_[0], covered);
          if (error >= best) continue;
          best = error;
          placement_[i] = tried;
          covered_[i] = std::move(covered);
          improved = true;
        }
      }
    }
    return improved;
  }

  const float* planes_;
  std::int64_t height_;
  std::int64_t width_;
  shapes::Prompt prompt_;
  std::array<Placement, 2> placement_;
  std::array<std::vector<float>, 2> covered_;
};

// Where the object of the prompt's colour lies, by the area and centroid of its blob.
Placement placement_of(const Segmentation& segmentation, const std::vector<Blob>& found, std::uint8_t colour, shapes::Shape shape) {
  const Blob* blob = largest_blob(found, colour);
  if (blob == nullptr) throw InternalError("misfit: an image shows all of its prompt, but has no object of a prompted colour");
  const SoftMask mask = soft_mask(segmentation, *blob);
  const double radius = std::sqrt(mask.area / shapes::unit_area(shape));
  return {mask.x, mask.y - radius * shapes::unit_centroid_y(shape), radius};
}

}  // namespace

std::optional<double> misfit(const float* planes, std::int64_t height, std::int64_t width, const shapes::Prompt& prompt) {
  const Findings findings = inspect(planes, height, width, prompt);
  const bool all_facts = findings.shaped[0] && findings.shaped[1] && findings.related && findings.extra_objects == 0;
  if (!all_facts) return std::nullopt;
  const Segmentation segmentation = segment(planes, height, width);
  const std::vector<Blob> found = blobs(segmentation);
  std::array<Placement, 2> begin{};
  for (std::size_t i = 0; i < 2; ++i) begin[i] = placement_of(segmentation, found, prompt.colour[i], prompt.shape[i]);
  Fit fit(planes, height, width, prompt, begin);
  return std::sqrt(fit.smallest_square_error() / static_cast<double>(3 * height * width));
}

}  // namespace espalier::shape_checker
