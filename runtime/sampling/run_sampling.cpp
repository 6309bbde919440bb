#include "runtime/sampling/run_sampling.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <limits>

#include "runtime/base/errors.h"
#include "runtime/sampling/guided_model.h"

namespace espalier::sampling {
namespace {

using diffusion::GridPoint;

// Returns the steps remaining above which the states of phase i are recorded; the other grid points are a later phase's.
std::int64_t recorded_above(const std::vector<Phase>& phases, std::size_t i) {
  std::int64_t above = -1;
  for (auto later = i + 1; later < phases.size(); ++later) {
    if (!renoised_to(phases[later]))
      return std::numeric_limits<std::int64_t>::max();  // the later phase is another trajectory, on its own grid
    above = std::max(above, phases[later].segments.front().first);
  }
  return above;
}

// The sampling of one micro-batch.
class Run {
 public:
  Run(const Sampler& sampler, const TrajectoryJob& job, Recorder& recorder) : sampler_(sampler), job_(job), recorder_(recorder) {}

  void phase(std::size_t i) {
    const auto& phase = job_.phases[i];
    const auto above = recorded_above(job_.phases, i), first = phase.segments.front().first;
    start(phase, job_.models[i].front());
    if (first > above) recorder_.record(phase.grid.at(first), x_);
    for (std::size_t k = 0; k < phase.segments.size(); ++k) segment(phase, phase.segments[k], job_.models[i][k], above);
  }

 private:
  void start(const Phase& phase, const SegmentModel& first) {
    const auto& process = *first.model->process;
    if (phase.start == "noise") {
      job_.draws.begin(ordinal_);
      x_ = process.prior(job_.spec, first.condition, job_.draws);
      for (auto& [name, tensor] : x_) tensor = tensor.to(job_.device);
    } else if (const auto steps = renoised_to(phase)) {
      job_.draws.begin(++ordinal_);
      x_ = process.noised(x_, phase.grid.at(0).level, phase.grid.at(*steps).level, job_.draws);
    } else if (recorded_start(phase)) {
      x_ = job_.start;
    } else if (phase.start != "previous") {
      throw InternalError("a phase of sampling starts at '" + phase.start + "'");
    }
  }

  void segment(const Phase& phase, const Segment& segment, const SegmentModel& with, std::int64_t above) {
    const auto solver = sampler_.solver(phase);
    const GuidedModel network(with, segment.guidance);
    const auto& process = *with.model->process;
    const auto predict = [&](const State& x, const GridPoint& point) {
      const auto query = process.query(x, point);
      if (!query) throw InternalError("a solver requests a prediction at a step at which its process does not evaluate the network");
      return network.predict(query->input, query->timestep);
    };
    for (auto n = segment.first; n > segment.last; --n) {
      const auto &from = phase.grid.at(n), &to = phase.grid.at(n - 1);
      job_.draws.begin(++ordinal_);
      if (const auto query = process.query(x_, from)) {
        x_ = solver->step(x_, network.predict(query->input, query->timestep), {{process, from, to}, job_.draws, predict});
      }
      if (n - 1 > above) recorder_.record(to, x_);
    }
  }

  const Sampler& sampler_;
  const TrajectoryJob& job_;
  Recorder& recorder_;
  std::uint32_t ordinal_ = 0;
  State x_;
};

class SamplerSource final : public TrajectorySource {
 public:
  explicit SamplerSource(const Sampler& sampler) : sampler_(sampler) {}
  Direction direction() const override { return Direction::to_sample; }
  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo* prior) const override {
    return sampler_.phases(models, prior);
  }
  std::int64_t network_evaluations(const Phase& phase, const Segment& segment) const override {
    return sampler_.predictions(phase, segment) * (segment.guidance.scale == 1.0 ? 1 : 2);
  }
  bool whole_blocks() const override { return false; }
  std::int64_t compute(const TrajectoryJob& job, Recorder& recorder) const override {
    run_sampling(sampler_, job, recorder);
    return espalier::network_evaluations(*this, job.phases) * job.draws.batch();
  }

 private:
  const Sampler& sampler_;
};

}  // namespace

void run_sampling(const Sampler& sampler, const TrajectoryJob& job, Recorder& recorder) {
  const c10::InferenceMode no_gradients;
  Run run(sampler, job, recorder);
  for (std::size_t i = 0; i < job.phases.size(); ++i) run.phase(i);
}

std::uint32_t step_ordinal(const std::vector<Phase>& phases, std::int64_t steps_remaining) {
  std::int64_t before = 0;  // ordinals of the phases before
  std::optional<std::int64_t> found;
  for (const auto& phase : phases) {
    if (renoised_to(phase)) ++before;
    const auto first = phase.segments.front().first, last = phase.segments.back().last;
    if (steps_remaining <= first && steps_remaining > last) found = before + first - steps_remaining + 1;
    before += first - last;
  }
  if (!found) throw InternalError("no phase of sampling has a step from " + std::to_string(steps_remaining) + " steps remaining");
  return static_cast<std::uint32_t>(*found);
}

std::unique_ptr<TrajectorySource> source_of(const Sampler& sampler) { return std::make_unique<SamplerSource>(sampler); }

}  // namespace espalier::sampling
