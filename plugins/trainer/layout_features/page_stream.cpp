#include "plugins/trainer/layout_features/page_stream.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>

#include <algorithm>

#include "runtime/base/errors.h"

namespace espalier::layout {
namespace {

constexpr std::int64_t kScan = 256;          // pages at a time
constexpr std::int64_t kEndlessScan = 1024;  // pages of a generated split
constexpr double kLeastSide = 1e-3;          // of a perturbed box, as a share of the page

}  // namespace

PageStream::PageStream(const Domain& domain, const std::string& split, double perturbation, random::StreamKey order)
    : domain_(domain), examples_(domain.data().examples(split)), perturbation_(perturbation), order_(order) {
  if (domain.sample_kind() != "layout") {
    throw ConfigError("trainer.layout_features: learns samples of kind 'layout'; the domain's are of kind '" + domain.sample_kind() + "'");
  }
  const auto count = examples_->size() == 0 ? kEndlessScan : examples_->distinct();
  for (std::int64_t first = 0; first < count; first += kScan) {
    std::vector<std::uint64_t> positions;
    for (std::int64_t i = first; i < std::min(first + kScan, count); ++i) positions.push_back(static_cast<std::uint64_t>(i));
    classes_ = std::max(classes_, sample(positions).tensors.at("class").max().item<std::int64_t>() + 1);
  }
  if (classes_ == 0) throw DataError("trainer.layout_features: no page of the split '" + split + "' has a box");
}

Sample PageStream::sample(const std::vector<std::uint64_t>& positions) const { return samples_of(domain_, examples_->at(positions)); }

PageStream::Batch PageStream::at(std::uint64_t step, std::int64_t size) const {
  const auto count = static_cast<std::uint64_t>(size), pages = static_cast<std::uint64_t>(examples_->size());
  std::vector<std::uint64_t> places, positions;  // in the stream, in the split
  for (std::uint64_t i = 0; i < count; ++i) {
    places.push_back(step * count + i);
    positions.push_back(pages == 0 ? places.back() : random::shuffled_index(order_, places.back() / pages, pages, places.back() % pages));
  }
  const auto drawn = sample(positions);
  const auto& box = drawn.tensors.at("box");  // [B, M, 4]
  random::Draws draws(order_, places);
  const auto noise = draws.normals({box.size(1), 4}) * perturbation_;
  const auto real = 1.0 - at::arange(size, at::kFloat).remainder(2.0);  // 1, 0, 1, ...
  const auto moved = box + noise * (1.0 - real).view({-1, 1, 1});
  const auto cut = at::cat({moved.narrow(2, 0, 2).clamp(0.0, 1.0), moved.narrow(2, 2, 2).clamp(kLeastSide, 1.0)}, 2);
  return {drawn.tensors.at("class"), cut, real};
}

}  // namespace espalier::layout
