#include "tests/conformance/memory_view.h"

#include <gtest/gtest.h>

#include "runtime/base/errors.h"
#include "runtime/tensor/tensor_map.h"

namespace espalier::conformance {
namespace {

class Memory final : public ViewSource {
 public:
  Memory(std::map<std::int64_t, State> states, std::shared_ptr<const Codec> codec, double flops)
      : states_(std::move(states)), codec_(std::move(codec)), flops_(flops) {}

  State states(std::int64_t steps_remaining, const std::vector<std::int64_t>& index) const override {
    const auto found = states_.find(steps_remaining);
    if (found == states_.end()) {
      ADD_FAILURE() << "the step with " << steps_remaining << " steps remaining is read, but no input declares it";
      throw InternalError("this step is not recorded");
    }
    return tensor::rows(found->second, index);
  }
  Sample decoded(const std::vector<std::int64_t>& index) const override {
    return codec_ ? codec_->decode(states(0, index), {}) : ViewSource::decoded(index);
  }
  double flops_per_sample() const override { return flops_; }

 private:
  std::map<std::int64_t, State> states_;
  std::shared_ptr<const Codec> codec_;
  double flops_;
};

}  // namespace

View memory_view(const std::string& tag, std::map<std::int64_t, State> states, std::shared_ptr<const Codec> codec, double flops_per_sample,
                 const diffusion::Grid& grid) {
  const auto size = states.at(0).begin()->second.size(0);
  ViewInfo info{tag, grid, codec, View::range(0, size), std::vector<std::int64_t>(static_cast<std::size_t>(size))};
  return {std::move(info), std::make_shared<Memory>(std::move(states), std::move(codec), flops_per_sample)};
}

}  // namespace espalier::conformance
