#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "runtime/sdk/domain.h"

// A domain and a network small enough to check by hand, for tests that need "some" domain.
namespace espalier::conformance {

// Pictures of 3 x 8 x 8 in [-1, 1] with a bright left (class 0) or right half (class 1) and a little noise. Splits "train" and "held_out";
// state "sample" [B, 3, 8, 8]; kind "image"; condition "label" [B] int64 (empty: 2); facts {"label": 0 or 1, "class": "left" or "right"};
// text "left 0", "right 1", ... Endless examples. Decoding maps [-1, 1] to [0, 1]. It offers no model folder.
std::unique_ptr<Domain> toy_domain();

// predict: scale x + bias[label] + slope t / 1000, elementwise, so that no sample's bits depend on its batch. Counts the rows it is asked
// for.
class ToyNetwork final : public Network {
 public:
  Value architecture() const override;
  TensorMap embed(const Weights& weights, const TensorMap& condition) const override;
  State predict(const Weights& weights, const State& noisy, const at::Tensor& timestep, const TensorMap& embedded) const override;
  Weights initialize(std::uint64_t seed) const override;
  std::int64_t rows() const { return rows_; }

 private:
  mutable std::atomic<std::int64_t> rows_ = 0;
};

// With a process of 1000 training timesteps: "variance_preserving", predicting noise, or "rectified_flow".
Model toy_model(std::uint64_t seed = 1, const std::string& process = "variance_preserving");

}  // namespace espalier::conformance
