// The reverse of the interleaved process, exact step by step, with stitched models and ReDeNoise.
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/diffusion/interleaved.h"
#include "runtime/sdk/plugin.h"

namespace {

using espalier::ConfigError;
using espalier::ModelInfo;
using espalier::Phase;
using espalier::SampleJob;
using espalier::State;
using espalier::diffusion::Interleaved;

constexpr const char* kName = "sampler.interleaved";
constexpr const char* kProcess = "interleaved";

const Interleaved& interleaved(const espalier::diffusion::NoiseProcess& process) {
  const auto* found = dynamic_cast<const Interleaved*>(&process);
  if (!found) throw espalier::InternalError(std::string(kName) + " was given a model of the process " + process.name());
  return *found;
}

// The same way, from `first` steps remaining.
Phase from_step(Phase phase, std::int64_t first) {
  std::vector<espalier::Segment> segments;
  for (auto segment : phase.segments) {
    segment.first = std::min(segment.first, first);
    if (segment.first > segment.last) segments.push_back(segment);
  }
  phase.segments = std::move(segments);
  phase.start = fmt::format("renoise:{}", first);
  return phase;
}

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
    const auto steps = interleaved(*espalier::process_of(models.front(), kName, kProcess)).num_steps();
    std::vector<Phase> phases = {espalier::stitched_phase(models, steps, kName, kProcess)};
    const auto from = redenoise_from_.of(steps);
    for (std::int64_t i = 0; from > 0 && i < redenoise_repeats_; ++i) phases.push_back(from_step(phases.front(), from));
    return phases;
  }

  // At most: a step that changes nothing for a whole micro-batch asks no network.
  std::int64_t network_evaluations(const espalier::Segment& segment) const override { return segment.first - segment.last; }

  void sample(const SampleJob& job, espalier::Recorder& recorder) const override {
    const c10::InferenceMode no_gradients;
    const auto& process = interleaved(*job.models.front().front()->process);
    const auto last = job.phases.size() - 1;
    std::uint32_t ordinal = 0;
    job.draws.begin(ordinal);
    State x = process.prior(job.spec, job.draws);
    for (auto& [name, tensor] : x) tensor = tensor.to(job.device);
    x = Interleaved::impose(std::move(x), job.condition);
    for (std::size_t i = 0; i <= last; ++i) {
      const auto& phase = job.phases[i];
      const auto first = phase.segments.front().first;
      if (i > 0) {
        job.draws.begin(++ordinal);
        x = process.renoise(x, 0, first, job.draws);
      }
      // What is recorded: above where ReDeNoise begins the steps of the first phase, from there on those of the last.
      auto above = phase.grid.num_steps();
      if (i == 0) above = job.phases.back().segments.front().first;
      if (i == last) above = -1;
      if (first > above) recorder.record(phase.grid.at(first), x);
      x = denoise(job, i, std::move(x), above, ordinal, recorder);
    }
  }

 private:
  // From the phase's first step to the sample; records the states with more than `above` steps remaining.
  static State denoise(const SampleJob& job, std::size_t phase_index, State x, std::int64_t above, std::uint32_t& ordinal,
                       espalier::Recorder& recorder) {
    const auto& [start, config, grid, segments] = job.phases[phase_index];
    for (std::size_t k = 0; k < segments.size(); ++k) {
      const auto& model = *job.models[phase_index][k];
      const auto& process = interleaved(*model.process);
      const espalier::GuidedModel network(model, job.condition, job.null_condition, 1.0);
      for (auto n = segments[k].first; n > segments[k].last; --n) {
        const auto &from = grid.at(n), &to = grid.at(n - 1);
        job.draws.begin(++ordinal);
        if (process.changes(x, from)) {
          x = process.step(x, network.predict(process.network_input(x, from), from.timestep), from, to, 1.0, job.draws);
        }
        if (n - 1 > above) recorder.record(to, x);
      }
    }
    return x;
  }

  espalier::Step redenoise_from_;
  std::int64_t redenoise_repeats_ = 1;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.sampler<InterleavedSampler>("interleaved", /*numerics_version=*/1,
                                     "Interleaved denoising of tokens and vectors, a position at a time or jointly, with ReDeNoise.");
}
