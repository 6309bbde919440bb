#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace espalier::diversity {

// Of all pairs among the samples of one condition.
struct Pairs {
  double count = 0.0;             // n (n - 1) / 2
  double near_duplicates = 0.0;   // of these, with equal keys or a pixel distance below the threshold
  double pixel_distance = 0.0;    // mean
  double feature_distance = 0.0;  // mean
};

// What is compared. n samples, at least two.
struct Compared {
  at::Tensor pixels = {};              // [n, d] uint8, 255 is 1; undefined: not images
  at::Tensor features = {};            // [n, f] double; undefined: none
  std::vector<std::string> keys = {};  // [n], canonical keys, "" equal to no other; empty: none
};

// The pixel distance of two images is the root mean square difference of their d values, in [0, 1]; that of features is Euclidean.
Pairs pairs_of(const Compared& samples, std::int64_t count, double near_duplicate_distance);

}  // namespace espalier::diversity
