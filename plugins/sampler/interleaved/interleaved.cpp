// The reverse of the interleaved process, exact step by step, with stitched models and ReDeNoise.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/diffusion/interleaved.h"
#include "runtime/sampling/stitch.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::ConfigError;
using espalier::ModelInfo;
using espalier::Phase;
using espalier::State;
using espalier::Value;
using espalier::diffusion::Interleaved;

constexpr const char* kName = "sampler.interleaved";
constexpr const char* kProcess = "interleaved";

// The process that a phase is of.
Interleaved process_of(const Value& config) { return Interleaved(espalier::diffusion::read_interleaved_config(config, kName)); }

// The exact reverse of the process; a visit that changes nothing is no step.
class ReverseSolver final : public espalier::Solver {
 public:
  explicit ReverseSolver(const Value& config) : process_(process_of(config)) {}
  State step(const State& x, const State& prediction, const espalier::SolverStep& step) override {
    return process_.reverse_step(x, prediction, step.from, step.draws);
  }
  std::optional<at::Tensor> log_prob(const State& x, const State& prediction, const State& next,
                                     const espalier::StepEnds& ends) const override {
    return process_.reverse_log_prob(x, prediction, next, ends.from);
  }

 private:
  Interleaved process_;
};

class InterleavedSampler final : public espalier::Sampler {
 public:
  void options(espalier::Schema& schema) override {
    schema.step("redenoise_from", redenoise_from_,
                "ReDeNoise: steps that the finished sample is noised again, and denoised; an index or a fraction of all steps. 0: none.");
    schema.integer("redenoise_repeats", redenoise_repeats_, "How often, each time with fresh noise.").at_least(1).at_most(1e5);
  }

  void inputs(espalier::Inputs& in) override { in.model("model").process(kProcess); }

  // LibTorch rounds differently on other CPUs: with kernels for AVX2 or SSE in place of AVX-512 the vectors of 32 molecules of
  // molecule-qm9-5, with and without ReDeNoise, moved by at most 5e-6 of the largest; no class changed. Where a class does, the samples are
  // not the same.
  double probe_tolerance() const override { return 1e-4; }

  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo*) const override {
    if (models.empty()) throw ConfigError(std::string(kName) + " needs at least one model; name it by inputs = { model = \"domain\" }");
    const auto process = espalier::sampling::process_of(models.front(), kName, kProcess);
    const auto steps = process_of(process->config()).num_steps();
    std::vector<Phase> phases = {espalier::sampling::stitched_phase(models, {steps}, kName, kProcess)};
    const auto from = redenoise_from_.of(steps);
    for (std::int64_t i = 0; from > 0 && i < redenoise_repeats_; ++i) {
      phases.push_back(espalier::sampling::renoised_phase(phases.front(), from));
    }
    return phases;
  }

  std::unique_ptr<espalier::Solver> solver(const Phase& phase) const override { return std::make_unique<ReverseSolver>(phase.process); }

  std::string no_transition_law() const override { return ""; }

 private:
  espalier::Step redenoise_from_;
  std::int64_t redenoise_repeats_ = 1;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<InterleavedSampler>("interleaved", /*numerics_version=*/1,
                                     "Interleaved denoising of tokens and vectors, a position at a time or jointly, with ReDeNoise.");
}
