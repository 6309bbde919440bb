#include "plugins/reward/shape_checker/checker.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <vector>

#include "plugins/shared/shapes/renderer.h"
#include "runtime/base/errors.h"

namespace espalier::shape_checker {
namespace {

constexpr double kLeastOverlap = 0.6;   // a blob of no shape at all matches none
constexpr double kLeastDistance = 0.1;  // between centroids along the relation's axis, in image widths
constexpr double kSmallestArea = 0.5 * 2.0 * shapes::kSmallestRadius * shapes::kSmallestRadius;  // half the smallest triangle's
constexpr double kLargestArea = 1.6 * 3.24 * shapes::kLargestRadius * shapes::kLargestRadius;    // 1.6 times the largest square's

bool fits(const SoftMask& mask, shapes::Shape prompted) {
  const double own = overlap(mask, prompted);
  if (own < kLeastOverlap) return false;
  for (const shapes::Shape other : {shapes::Shape::circle, shapes::Shape::square, shapes::Shape::triangle}) {
    if (other != prompted && overlap(mask, other) >= own) return false;
  }
  return true;
}

// Right and down from the second object to the first, in image widths and heights.
bool stands(shapes::Relation relation, double right, double down) {
  const bool vertical = relation == shapes::Relation::above || relation == shapes::Relation::below;
  const bool leads = relation == shapes::Relation::above || relation == shapes::Relation::left_of;
  const double along = (vertical ? down : right) * (leads ? -1.0 : 1.0);
  const double across = std::abs(vertical ? right : down);
  return along >= kLeastDistance && along > across;
}

}  // namespace

const Blob* largest_blob(const std::vector<Blob>& found, std::uint8_t colour) {
  const Blob* best = nullptr;
  for (const Blob& blob : found) {
    if (blob.label == static_cast<std::int8_t>(colour) && (best == nullptr || blob.pixels.size() > best->pixels.size())) best = &blob;
  }
  return best;
}

double overlap(const SoftMask& mask, shapes::Shape shape) {
  const double radius = std::sqrt(mask.area / shapes::unit_area(shape));
  const double x = mask.x - static_cast<double>(mask.left);
  const double y = mask.y - static_cast<double>(mask.top) - radius * shapes::unit_centroid_y(shape);
  // A window around both, relative to the mask's: drawn forms have only nearly the area they should, so that what lies outside the mask's
  // window must be drawn and counted too.
  const auto left = std::min<std::int64_t>(0, std::llround(std::floor(x - radius)));
  const auto top = std::min<std::int64_t>(0, std::llround(std::floor(y - radius)));
  const auto width = std::max<std::int64_t>(mask.width, std::llround(std::ceil(x + radius))) - left;
  const auto height = std::max<std::int64_t>(mask.height, std::llround(std::ceil(y + radius))) - top;
  std::vector<float> form(static_cast<std::size_t>(width * height));
  shapes::coverage(shape, x - static_cast<double>(left), y - static_cast<double>(top), radius, width, height, form.data());
  double common = 0.0;
  for (std::int64_t row = 0; row < mask.height; ++row) {
    for (std::int64_t column = 0; column < mask.width; ++column) {
      common += std::min(form[(row - top) * width + column - left], mask.covered[row * mask.width + column]);
    }
  }
  return common / (mask.area + std::accumulate(form.begin(), form.end(), 0.0) - common);
}

Findings inspect(const float* planes, std::int64_t height, std::int64_t width, const shapes::Prompt& prompt) {
  const Segmentation segmentation = segment(planes, height, width);
  const std::vector<Blob> found = blobs(segmentation);
  Findings findings;
  findings.extra_objects = static_cast<std::int64_t>(found.size());
  std::array<std::optional<SoftMask>, 2> mask;
  for (std::size_t i = 0; i < 2; ++i) {
    const Blob* blob = largest_blob(found, prompt.colour[i]);
    if (blob == nullptr) continue;
    mask[i] = soft_mask(segmentation, *blob);
    const double share = mask[i]->area / static_cast<double>(width * height);
    if (share < kSmallestArea || share > kLargestArea) continue;
    findings.present[i] = true;
    findings.shaped[i] = fits(*mask[i], prompt.shape[i]);
    --findings.extra_objects;
  }
  if (findings.present[0] && findings.present[1]) {
    findings.related = stands(prompt.relation, (mask[0]->x - mask[1]->x) / static_cast<double>(width),
                              (mask[0]->y - mask[1]->y) / static_cast<double>(height));
  }
  return findings;
}

double score(const Findings& findings, double extra_object_penalty) {
  double metadata = findings.related ? kRelationWeight : 0.0;
  for (std::size_t i = 0; i < 2; ++i) {
    metadata += (findings.present[i] ? kColourWeight : 0.0) + (findings.shaped[i] ? kShapeWeight : 0.0);
  }
  return metadata * std::pow(1.0 - extra_object_penalty, static_cast<double>(findings.extra_objects));
}

}  // namespace espalier::shape_checker
