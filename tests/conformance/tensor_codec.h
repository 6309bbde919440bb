#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/sdk/codec.h"

namespace espalier::conformance {

// The states are the sample's tensors of the same names, unchanged; draws no images. For domains of vectors.
class TensorCodec final : public Codec {
 public:
  TensorCodec(std::string kind, StateSpec spec) : kind_(std::move(kind)), spec_(std::move(spec)) {}
  StateSpec spec() const override { return spec_; }
  Value key() const override { return Value("tensors"); }
  State encode(const Sample& sample, const CodecContext& context) const override {
    State state;
    for (const auto& [name, field] : spec_) state[name] = sample.tensors.at(name).to(context.device);
    return state;
  }
  Sample decode(const State& state, const CodecContext&) const override { return {kind_, state, {}}; }
  std::vector<Image> draw(const Sample&) const override { return {}; }

 private:
  std::string kind_;
  StateSpec spec_;
};

}  // namespace espalier::conformance
