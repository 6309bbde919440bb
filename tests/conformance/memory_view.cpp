#include "tests/conformance/memory_view.h"

#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"

namespace espalier::conformance {
namespace {

class Memory final : public ViewSource {
 public:
  Memory(std::map<std::int64_t, State> states, std::function<Sample(const State&)> decode, double flops)
      : states_(std::move(states)), decode_(std::move(decode)), flops_(flops) {}

  State states(std::int64_t steps_remaining, const std::vector<std::int64_t>& index) const override {
    const auto found = states_.find(steps_remaining);
    if (found == states_.end()) {
      ADD_FAILURE() << "the step with " << steps_remaining << " steps remaining is read, but no input declares it";
      throw InternalError("this step is not recorded");
    }
    State rows;
    for (const auto& [name, tensor] : found->second) rows.emplace(name, tensor.index_select(0, at::tensor(index, at::kLong)));
    return rows;
  }
  Sample decoded(const std::vector<std::int64_t>& index) const override {
    return decode_ ? decode_(states(0, index)) : ViewSource::decoded(index);
  }
  double flops_per_sample() const override { return flops_; }

 private:
  std::map<std::int64_t, State> states_;
  std::function<Sample(const State&)> decode_;
  double flops_;
};

}  // namespace

View memory_view(const std::string& tag, std::map<std::int64_t, State> states, std::function<Sample(const State&)> decode,
                 double flops_per_sample, const diffusion::Grid& grid) {
  const auto size = states.at(0).begin()->second.size(0);
  ViewInfo info{tag, grid, View::range(0, size), std::vector<std::int64_t>(static_cast<std::size_t>(size))};
  return {std::move(info), std::make_shared<Memory>(std::move(states), std::move(decode), flops_per_sample)};
}

}  // namespace espalier::conformance
