#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/selection/intervals.h"

namespace espalier {

// What a metric found: one type from the metric to the cache, the run's record, report.html, report.json and TensorBoard.

struct Scalar {
  std::string name;
  double value = 0.0;
  double low = 0.0;  // 95 % interval; NaN when there is none
  double high = 0.0;
};

inline Scalar to_scalar(std::string name, const intervals::Estimate& estimate) {
  return {std::move(name), estimate.value, estimate.low, estimate.high};
}

// Curves on one pair of axes. Every series has as many y as x; low and high are empty or as many.
struct Chart {
  struct Series {
    std::string name;
    std::vector<double> x = {}, y = {}, low = {}, high = {};
  };
  std::string name;
  std::string x_label, y_label;  // with units
  bool log_x = false, log_y = false;
  std::vector<Series> series = {};
};

struct Findings {
  std::vector<Scalar> scalars;
  std::vector<Chart> charts;
};

}  // namespace espalier
