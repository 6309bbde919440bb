#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/random/draws.h"
#include "runtime/sdk/encoding.h"

namespace espalier::layout {

// Real pages of a split and perturbed copies of others, for a network to separate.
class PageStream {
 public:
  // Throws ConfigError when the domain's samples are no layouts, and DataError when the split has no boxes.
  PageStream(const Domain& domain, const std::string& split, double perturbation, random::StreamKey order);

  std::int64_t classes() const { return classes_; }  // one more than the largest that the split has; of 1,024 pages of an endless one

  struct Batch {
    at::Tensor class_index;  // [B, M] int64, -1 where there is no box
    at::Tensor box;          // [B, M, 4] float
    at::Tensor real;         // [B] float, 1 or 0
  };
  // A function of `step` alone: `size` pages, those at even places real, the others' boxes moved by Gaussian noise of standard deviation
  // `perturbation` in each of x, y, width and height. The pages of a finite split come in shuffled epochs.
  Batch at(std::uint64_t step, std::int64_t size) const;

 private:
  Sample sample(const std::vector<std::uint64_t>& positions) const;
  const Domain& domain_;
  std::unique_ptr<Examples> examples_;
  double perturbation_;
  random::StreamKey order_;
  std::int64_t classes_ = 0;
};

}  // namespace espalier::layout
