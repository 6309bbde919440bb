#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "plugins/shared/layout/feature_network.h"
#include "plugins/shared/layout/page.h"
#include "runtime/sdk/metric.h"

namespace espalier::layout_quality {

// The pages of a stage or of a split.
struct Pages {
  std::vector<layout::Page> usable;                       // at least one box that has an area, every number finite
  std::int64_t count = 0;                                 // usable or not
  std::vector<double> boxes = {}, without_area = {};      // of each page, usable or not; of its boxes, those that have no area
  Pages part(std::size_t first, std::size_t last) const;  // of the usable ones
};

Pages pages_of(const View& samples);
Pages pages_of(const Examples& examples, const std::vector<std::uint64_t>& positions, const Domain& domain);

// A mean over pages with its 95 % interval, a bootstrap over pages; bounds NaN for one page. At least one page.
intervals::Estimate mean_over(const Pages& pages, const std::function<double(const layout::Page&)>& measure, const random::StreamKey& key);

// The pages' features under a layout network: what trainer.layout_features makes.
class FeatureNetwork {
 public:
  explicit FeatureNetwork(std::shared_ptr<const Model> model);
  std::int64_t dimensions() const { return config_.width; }
  at::Tensor of(const Pages& pages) const;  // of the usable ones, [N, d] double, on the CPU

 private:
  std::shared_ptr<const Model> model_;
  layout::FeatureConfig config_;
};

}  // namespace espalier::layout_quality
