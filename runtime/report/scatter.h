#pragma once

#include <string>
#include <vector>

namespace espalier::report {

struct ScatterPoint {
  std::string name;
  double x = 0.0, y = 0.0;  // finite
};

// An SVG of named points on linear axes, black on white: a file of its own, or a part of a page.
std::string scatter_svg(const std::vector<ScatterPoint>& points, const std::string& x_label, const std::string& y_label);

}  // namespace espalier::report
