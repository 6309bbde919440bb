#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "plugins/shared/classifier/network.h"
#include "runtime/sdk/metric.h"

namespace espalier::frechet_distance {

// The pictures' features under a classifier: its last level, averaged over the picture. Pictures are rounded to 8 bits first, as if they
// had been written to files, and enter at their own size.
class PictureFeatures {
 public:
  // Throws StageError when the model is no classifier, and where the domain has no pictures.
  PictureFeatures(std::shared_ptr<const Model> classifier, const Domain* domain);

  std::int64_t dimensions() const { return config_.channels.back(); }
  at::Tensor of(const SampleSet& samples) const;                                               // [N, d] double, on the CPU
  at::Tensor of(const Examples& examples, const std::vector<std::uint64_t>& positions) const;  // [N, d] double, on the CPU

 private:
  at::Tensor of(const State& state) const;

  std::shared_ptr<const Model> classifier_;
  classifier::Config config_;
  const Domain* domain_;
};

}  // namespace espalier::frechet_distance
