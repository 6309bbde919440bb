#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/sdk/sampler.h"

namespace espalier::flow {

inline constexpr const char* kProcess = "rectified_flow";

// Whether a model is a noise corrector's flow: it makes the noise of another sampling (ModelInfo::corrects), and is never guided.
bool is_corrector(const ModelInfo& model);

// What the samplers of a rectified flow share. They are deterministic; the noise at the start is all they draw.
class FlowSampler : public Sampler {
 public:
  void options(Schema& schema) override;
  void inputs(Inputs& in) override { in.model("model").process(kProcess); }

  // One phase, from noise, by the sampler's own rule. Throws ConfigError for a model of another process, for a noise
  // corrector's flow under guidance, and where a step has no model.
  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo* prior) const override;
  std::unique_ptr<Solver> solver(const Phase& phase) const override;
  std::int64_t predictions(const Phase& phase, const Segment& segment) const override;

  // LibTorch rounds differently on other CPUs: with kernels for AVX2 or SSE in place of AVX-512, 32 samples of a flow trained on the
  // generated set (Euler's 50 steps, Heun's 20) moved by at most 2e-6 of the largest value.
  double probe_tolerance() const override { return 1e-4; }

 protected:
  // `rule`: of its steps, by name (solver.h).
  FlowSampler(std::string name, std::string rule) : name_(std::move(name)), rule_(std::move(rule)) {}

  const std::string& name() const { return name_; }
  std::int64_t num_inference_steps() const { return num_inference_steps_; }
  double guidance_scale() const { return guidance_.scale; }

 private:
  std::string name_;
  std::string rule_;
  std::int64_t num_inference_steps_ = 50;
  Guidance guidance_;
};

}  // namespace espalier::flow
