#include "runtime/report/scatter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/report/html.h"

namespace espalier::report {
namespace {

constexpr double kWidth = 720, kHeight = 480, kLeft = 80, kRight = 20, kTop = 20, kBottom = 56;

struct Axis {
  double low = 0.0, high = 1.0, step = 0.2;
};

// Bounds around the values and a distance of ticks of 1, 2 or 5 times a power of ten, about five of them.
Axis axis_of(double low, double high) {
  if (!(high > low)) {
    low -= 0.5;
    high += 0.5;
  }
  const double margin = 0.05 * (high - low);
  Axis axis{low - margin, high + margin, 1.0};
  const double rough = (axis.high - axis.low) / 5.0;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double lead = rough / power;
  axis.step = power * (lead < 1.5 ? 1.0 : lead < 3.5 ? 2.0 : lead < 7.5 ? 5.0 : 10.0);
  return axis;
}

template <class Each>
void for_each_tick(const Axis& axis, const Each& each) {
  for (auto i = static_cast<long>(std::ceil(axis.low / axis.step)); static_cast<double>(i) * axis.step <= axis.high; ++i) {
    each(static_cast<double>(i) * axis.step);
  }
}

}  // namespace

std::string scatter_svg(const std::vector<ScatterPoint>& points, const std::string& x_label, const std::string& y_label) {
  const auto [left, right] = std::ranges::minmax(points, {}, &ScatterPoint::x);
  const auto [bottom, top] = std::ranges::minmax(points, {}, &ScatterPoint::y);
  const auto x_axis = axis_of(left.x, right.x), y_axis = axis_of(bottom.y, top.y);
  const double floor = kHeight - kBottom, end = kWidth - kRight;
  const auto x_of = [&](double x) { return kLeft + (x - x_axis.low) / (x_axis.high - x_axis.low) * (end - kLeft); };
  const auto y_of = [&](double y) { return floor - (y - y_axis.low) / (y_axis.high - y_axis.low) * (floor - kTop); };
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" height=\"{1:g}\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kWidth, kHeight);
  svg += fmt::format("<path d=\"M{0:g},{1:g} V{2:g} H{3:g}\" fill=\"none\" stroke=\"black\"/>\n", kLeft, kTop, floor, end);
  for_each_tick(x_axis, [&](double x) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:g}</text>\n", x_of(x), floor + 18, x);
  });
  for_each_tick(y_axis, [&](double y) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:g}</text>\n", kLeft - 8, y_of(y) + 4, y);
  });
  svg +=
      fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", (kLeft + end) / 2, kHeight - 12, escape(x_label));
  svg += fmt::format("<text transform=\"translate(18,{:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n", (kTop + floor) / 2,
                     escape(y_label));
  for (const auto& point : points) {
    const double x = x_of(point.x), y = y_of(point.y);
    const bool inward = x > 0.75 * kWidth;  // so that names stay in the image
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/><text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y,
                       inward ? x - 7 : x + 7, y + 4, inward ? "end" : "start", escape(point.name));
  }
  return svg + "</svg>\n";
}

}  // namespace espalier::report
