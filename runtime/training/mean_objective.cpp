#include "runtime/training/mean_objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

namespace espalier::training {

MeanObjective::MeanObjective(std::vector<std::string> curves, at::Device device)
    : curves_(std::move(curves)), sums_(at::zeros({static_cast<std::int64_t>(curves_.size())}, at::kFloat).to(device)) {}

void MeanObjective::add_gradients(std::int64_t step) {
  const auto found = values(step);
  found.front().backward();
  for (std::size_t i = 0; i < curves_.size(); ++i) sums_[static_cast<std::int64_t>(i)] += found.at(i).detach();
}

CurveValues MeanObjective::curve_values(const CurvePoint& point) {
  const auto means = (sums_ / static_cast<double>(point.since)).to(at::kCPU);
  sums_.zero_();
  CurveValues values;
  for (std::size_t i = 0; i < curves_.size(); ++i) values.emplace_back(curves_[i], means[static_cast<std::int64_t>(i)].item<double>());
  return values;
}

void MeanObjective::save(Checkpoint& checkpoint) const { checkpoint.tensors["curves"].emplace("sums", sums_); }

void MeanObjective::load(const Checkpoint& checkpoint) { sums_.copy_(checkpoint.tensors.at("curves").at("sums")); }

}  // namespace espalier::training
