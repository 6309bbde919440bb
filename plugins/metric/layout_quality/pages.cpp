#include "plugins/metric/layout_quality/pages.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <numeric>

#include "plugins/shared/layout/measures.h"
#include "runtime/base/errors.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/encoding.h"
#include "runtime/selection/bootstrap.h"

namespace espalier::layout_quality {
namespace {

constexpr const char* kWho = "metric.layout_quality";
constexpr std::int64_t kBatch = 256;

void add(const Sample& sample, Pages& pages) {
  for (const layout::Page& page : layout::pages_of(sample, kWho)) {
    layout::Page real = layout::with_area(page);
    ++pages.count;
    pages.boxes.push_back(static_cast<double>(page.size()));
    pages.without_area.push_back(static_cast<double>(page.size() - real.size()));
    if (layout::usable(real)) pages.usable.push_back(std::move(real));
  }
}

}  // namespace

Pages Pages::part(std::size_t first, std::size_t last) const {
  const auto begin = usable.begin();
  return {{begin + static_cast<std::ptrdiff_t>(first), begin + static_cast<std::ptrdiff_t>(last)}, static_cast<std::int64_t>(last - first)};
}

Pages pages_of(const View& samples) {
  Pages pages;
  for (std::int64_t first = 0; first < samples.size(); first += kBatch) {
    add(samples.decoded(View::range(first, std::min(kBatch, samples.size() - first))), pages);
  }
  return pages;
}

Pages pages_of(const Examples& examples, const std::vector<std::uint64_t>& positions, const Domain& domain) {
  Pages pages;
  for (auto first = positions.begin(); first != positions.end();) {
    const auto last = first + std::min<std::ptrdiff_t>(kBatch, positions.end() - first);
    add(samples_of(domain, examples.at({first, last})), pages);
    first = last;
  }
  return pages;
}

intervals::Estimate mean_over(const Pages& pages, const std::function<double(const layout::Page&)>& measure, const random::StreamKey& key) {
  std::vector<double> values;
  for (const layout::Page& page : pages.usable) values.push_back(measure(page));
  return intervals::mean(values, random::streams::page_bootstrap(key));
}

FeatureNetwork::FeatureNetwork(std::shared_ptr<const Model> model) : model_(std::move(model)) {
  config_ = layout::FeatureConfig::from_value(model_->info.architecture, "the layout network");
  layout::check_features(config_, model_->weights, "the layout network");
}

at::Tensor FeatureNetwork::of(const Pages& pages) const {
  const at::NoGradGuard no_grad;
  const auto options = model_->weights.begin()->second.options();
  std::vector<at::Tensor> batches;
  for (std::size_t first = 0; first < pages.usable.size(); first += kBatch) {
    const auto last = std::min(first + kBatch, pages.usable.size());
    const auto batch = pages.part(first, last).usable;
    std::size_t slots = 1;
    for (const layout::Page& page : batch) slots = std::max(slots, page.size());
    const auto sample = layout::sample_of(batch, static_cast<std::int64_t>(slots));
    batches.push_back(layout::page_features(config_, model_->weights, sample.tensors.at("class").to(options.device()),
                                            sample.tensors.at("box").to(options))
                          .to(at::kCPU, at::kDouble));
  }
  return at::cat(batches);
}

}  // namespace espalier::layout_quality
