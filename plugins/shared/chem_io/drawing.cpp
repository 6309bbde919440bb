#include "plugins/shared/chem_io/drawing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "plugins/shared/chem/bonds.h"
#include "plugins/shared/chem_io/principal_axes.h"

namespace espalier::chem {
namespace {

using Vector = std::array<double, 3>;

constexpr std::int64_t kSupersampling = 3;
constexpr double kSmallestView = 4.0;                                      // angstrom across
constexpr std::array<double, 5> kRadius = {0.26, 0.40, 0.38, 0.37, 0.36};  // angstrom, H C N O F: balls, not van der Waals spheres
constexpr double kStick = 0.09, kStickGap = 0.2;                           // radius, and distance between sticks of one bond
constexpr std::array<Vector, 5> kColour = {{{235, 235, 235}, {90, 90, 90}, {60, 90, 240}, {230, 40, 30}, {70, 190, 80}}};
constexpr Vector kStickColour = {165, 165, 165};
constexpr Vector kLight = {-0.45, 0.55, 0.70};  // towards the light; near enough a unit vector

// A depth-buffered square canvas in angstrom, x to the right, y up, z towards the eye.
class Canvas {
 public:
  Canvas(std::int64_t side, double view)
      : side_(side),
        scale_(static_cast<double>(side) / view),
        colour_(pixel_count(), {255, 255, 255}),
        depth_(pixel_count(), -std::numeric_limits<double>::infinity()) {}

  void ball(const Vector& centre, double radius, const Vector& colour) {
    for_box(centre, centre, radius, [&](double x, double y, std::size_t pixel) {
      const double dx = (x - centre[0]) / radius, dy = (y - centre[1]) / radius, rest = 1.0 - dx * dx - dy * dy;
      if (rest < 0.0) return;
      const double dz = std::sqrt(rest);
      put(pixel, centre[2] + radius * dz, {dx, dy, dz}, colour);
    });
  }

  // A cylinder between two points.
  void stick(const Vector& from, const Vector& to, double radius, const Vector& colour) {
    const double ux = to[0] - from[0], uy = to[1] - from[1], length2 = ux * ux + uy * uy;
    if (length2 < 1e-12) return;  // end on: the balls hide it
    const double length = std::sqrt(length2);
    for_box(from, to, radius, [&](double x, double y, std::size_t pixel) {
      const double along = ((x - from[0]) * ux + (y - from[1]) * uy) / length2;
      const double side = ((y - from[1]) * ux - (x - from[0]) * uy) / length / radius;
      if (along < 0.0 || along > 1.0 || std::abs(side) > 1.0) return;
      const double dz = std::sqrt(1.0 - side * side);
      put(pixel, from[2] + along * (to[2] - from[2]) + radius * dz, {-uy / length * side, ux / length * side, dz}, colour);
    });
  }

  Image shrink() const {
    const std::int64_t out = side_ / kSupersampling;
    Image image{out, out, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * out * out))};
    for (std::int64_t p = 0; p < out * out; ++p) {
      for (std::size_t k = 0; k < 3; ++k) {
        double sum = 0.0;
        for (std::int64_t sub = 0; sub < kSupersampling * kSupersampling; ++sub) {
          const std::int64_t row = p / out * kSupersampling + sub / kSupersampling,
                             column = p % out * kSupersampling + sub % kSupersampling;
          sum += colour_[static_cast<std::size_t>(row * side_ + column)][k];
        }
        image.rgb[3 * static_cast<std::size_t>(p) + k] = static_cast<std::uint8_t>(std::lround(sum / (kSupersampling * kSupersampling)));
      }
    }
    return image;
  }

 private:
  std::size_t pixel_count() const { return static_cast<std::size_t>(side_ * side_); }

  // Calls visit(x, y, pixel) for the pixels of the box around two points, `margin` wider.
  template <typename Visit>
  void for_box(const Vector& a, const Vector& b, double margin, Visit visit) const {
    const double middle = 0.5 * static_cast<double>(side_);
    const auto clip = [&](double at) { return std::llround(std::clamp(at, 0.0, static_cast<double>(side_ - 1))); };
    const std::int64_t left = clip(middle + scale_ * (std::min(a[0], b[0]) - margin));
    const std::int64_t right = clip(middle + scale_ * (std::max(a[0], b[0]) + margin));
    const std::int64_t top = clip(middle - scale_ * (std::max(a[1], b[1]) + margin));
    const std::int64_t foot = clip(middle - scale_ * (std::min(a[1], b[1]) - margin));
    for (std::int64_t row = top; row <= foot; ++row) {
      const double y = (middle - 0.5 - static_cast<double>(row)) / scale_;
      for (std::int64_t column = left; column <= right; ++column) {
        visit((static_cast<double>(column) + 0.5 - middle) / scale_, y, static_cast<std::size_t>(row * side_ + column));
      }
    }
  }

  void put(std::size_t pixel, double depth, const Vector& normal, const Vector& colour) {
    if (depth <= depth_[pixel]) return;
    depth_[pixel] = depth;
    const double lit = std::max(0.0, std::inner_product(normal.begin(), normal.end(), kLight.begin(), 0.0));
    const double shine = 70.0 * std::pow(lit, 24.0), edge = 0.45 + 0.55 * lit;
    for (std::size_t k = 0; k < 3; ++k) colour_[pixel][k] = std::min(255.0, colour[k] * edge + shine);
  }

  std::int64_t side_;
  double scale_;  // pixels an angstrom
  std::vector<Vector> colour_;
  std::vector<double> depth_;
};

// One to three parallel sticks, side by side as seen by the eye.
void draw_bond(Canvas& canvas, const Vector& from, const Vector& to, int order) {
  const double ux = to[0] - from[0], uy = to[1] - from[1], length = std::max(1e-9, std::hypot(ux, uy));
  for (int k = 0; k < order; ++k) {
    const double shift = kStickGap * (k - 0.5 * (order - 1));
    const double dx = -uy / length * shift, dy = ux / length * shift;
    canvas.stick({from[0] + dx, from[1] + dy, from[2]}, {to[0] + dx, to[1] + dy, to[2]}, order == 1 ? kStick : 0.7 * kStick, kStickColour);
  }
}

bool can_be_drawn(const Atoms& atoms) {
  constexpr double kFarthest = 1e6;  // angstrom: beyond, nothing would be seen
  return find_defect(atoms).empty() && std::all_of(atoms.position.begin(), atoms.position.end(), [](const Vector& p) {
           return std::all_of(p.begin(), p.end(), [](double x) { return std::abs(x) < kFarthest; });
         });
}

}  // namespace

Image draw_molecule(const Atoms& atoms, std::int64_t pixels) {
  if (!can_be_drawn(atoms)) {
    return {pixels, pixels, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * pixels * pixels), 255)};
  }
  const std::vector<Vector> points = align_to_axes(atoms);
  double view = kSmallestView;
  constexpr double kMargin = 0.6;
  for (const Vector& p : points) view = std::max({view, 2.0 * (std::abs(p[0]) + kMargin), 2.0 * (std::abs(p[1]) + kMargin)});
  Canvas canvas(kSupersampling * pixels, view);
  for (const Bond& bond : find_bonds(atoms)) {
    draw_bond(canvas, points[static_cast<std::size_t>(bond.first)], points[static_cast<std::size_t>(bond.second)], bond.order);
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto element = static_cast<std::size_t>(element_class(atoms.atomic_number[i]));
    canvas.ball(points[i], kRadius[element], kColour[element]);
  }
  return canvas.shrink();
}

}  // namespace espalier::chem
