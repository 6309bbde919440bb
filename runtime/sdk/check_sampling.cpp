// Phases, and the states that are recorded along them.
#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/sdk/check.h"
#include "runtime/sdk/check_require.h"

namespace espalier {
namespace {

using check::described;
using check::require;

void check_grid(const std::string& who, const diffusion::Grid& grid) {
  const auto steps = grid.num_steps();
  require(steps > 0, who, "a phase has a grid of {} points; a grid goes from N >= 1 steps remaining to 0", grid.points.size());
  for (std::size_t i = 0; i < grid.points.size(); ++i) {
    const auto& point = grid.points[i];
    const auto expected = steps - static_cast<std::int64_t>(i);
    require(point.steps_remaining == expected, who, "point {} of a phase's grid has {} steps remaining; in a grid of {} steps it has {}", i,
            point.steps_remaining, steps, expected);
    require(std::isfinite(point.timestep) && std::isfinite(point.level.alpha) && std::isfinite(point.level.sigma), who,
            "the grid point with {} steps remaining has the timestep {}, alpha {} and sigma {}; they are finite", point.steps_remaining,
            point.timestep, point.level.alpha, point.level.sigma);
  }
}

// They lead from `first` steps remaining to the sample.
void check_segments(const std::string& who, const std::vector<Segment>& segments, std::int64_t first,
                    const std::vector<ModelInfo>& models) {
  auto next = first;
  for (const auto& segment : segments) {
    require(segment.first == next && segment.last < segment.first && segment.last >= 0, who,
            "a phase has a segment of steps {} -> {} where one from {} steps remaining is due; segments cover the grid from {} to 0, "
            "without a gap "
            "or an overlap",
            segment.first, segment.last, next, first);
    next = segment.last;
    const bool known =
        std::any_of(models.begin(), models.end(), [&](const ModelInfo& model) { return model.to_value() == segment.model.to_value(); });
    require(known, who, "a segment has the model {}, which is none of those that the sampler was given",
            segment.model.digest.substr(0, 12));
    const auto& guidance = segment.guidance;
    require(std::isfinite(guidance.scale), who, "a segment has the guidance_scale {}; it is finite", guidance.scale);
    require(guidance.rescale >= 0.0 && guidance.rescale <= 1.0, who, "a segment has the guidance_rescale {}; it is from 0 to 1",
            guidance.rescale);
  }
  require(next == 0, who, "the segments of a phase end with {} steps remaining; the last one reaches the sample, 0", next);
}

StateSpec with_certificates(StateSpec spec, std::int64_t steps) {
  for (const char* name : {inversion::kConverged, inversion::kRoundTripError, inversion::kKnownNoiseError}) spec[name] = {{}, at::kFloat};
  for (const char* name : {inversion::kResidual, inversion::kContraction, inversion::kIterations}) spec[name] = {{steps}, at::kFloat};
  return spec;
}

void check_sampling_start(const std::string& who, const std::vector<Phase>& phases, std::size_t i) {
  const auto steps = phases[i].grid.num_steps();
  const auto renoised = renoised_to(phases[i]);
  const bool right =
      i == 0 ? phases[i].start == "noise" : phases[i].start == "previous" || (renoised && *renoised > 0 && *renoised <= steps);
  require(right, who,
          "phase {} starts at '{}'; the first starts at 'noise', a later one at 'previous' or 'renoise:<n>' with n of its {} steps", i,
          phases[i].start, steps);
}

void check_inversion_phase(const std::string& who, const std::vector<Phase>& phases) {
  require(phases.size() == 1, who, "phases() gave {} phases; a noise corrector has one", phases.size());
  require(phases.front().start == "examples", who, "phase() starts at '{}'; a noise corrector's phase starts at 'examples'",
          phases.front().start);
  require(phases.front().segments.size() == 1, who, "phase() has {} segments; a noise corrector's phase has one",
          phases.front().segments.size());
}

}  // namespace

void check_phases(const std::string& who, Direction direction, const std::vector<Phase>& phases, const std::vector<ModelInfo>& models) {
  require(!phases.empty(), who, "phases() gave none; there is at least one, between noise and the sample");
  for (std::size_t i = 0; i < phases.size(); ++i) {
    check_grid(who, phases[i].grid);
    if (direction == Direction::to_sample) check_sampling_start(who, phases, i);
    if (direction == Direction::to_noise) check_inversion_phase(who, phases);
    check_segments(who, phases[i].segments, renoised_to(phases[i]).value_or(phases[i].grid.num_steps()), models);
  }
}

void check_evaluations(const std::string& who, std::int64_t evaluations) {
  require(evaluations >= 0, who, "counts {} network evaluations; they are at least 0", evaluations);
}

void check_state(const std::string& who, const std::string& what, const State& state, const StateSpec& spec, std::int64_t batch) {
  for (const auto& [name, field] : spec) {
    const auto found = state.find(name);
    require(found != state.end() && found->second.defined(), who, "{} has no field '{}'", what, name);
    auto shape = field.shape;
    shape.insert(shape.begin(), batch);
    const auto& tensor = found->second;
    require(tensor.scalar_type() == field.dtype && tensor.sizes() == at::IntArrayRef(shape), who, "{} has the field '{}' as {}; it is {}",
            what, name, described(tensor), described(field.dtype, shape));
  }
  for (const auto& [name, tensor] : state)
    require(spec.contains(name), who, "{} has the field '{}', which its specification has not", what, name);
}

RecordCheck recorded(const std::string& who, Direction direction, const Phase& last, const StateSpec& spec, std::int64_t batch) {
  const auto& points = last.grid.points;
  if (direction == Direction::to_sample) {
    const auto first = recorded_start(last).value_or(last.grid.num_steps());
    return {who, {std::prev(points.end(), first + 1), points.end()}, spec, batch};
  }
  return {who, {points.rbegin(), points.rend()}, with_certificates(spec, last.grid.num_steps()), batch};
}

void RecordCheck::record(const diffusion::GridPoint& point, const State& state) {
  const auto order = fmt::format("every grid point is recorded once, from {} steps remaining to {}", points_.front().steps_remaining,
                                 points_.back().steps_remaining);
  require(next_ < points_.size(), who_, "recorded a state with {} steps remaining after the last one; {}", point.steps_remaining, order);
  const auto& due = points_[next_];
  require(point.steps_remaining == due.steps_remaining, who_, "recorded the state with {} steps remaining where that with {} was due; {}",
          point.steps_remaining, due.steps_remaining, order);
  require(point.timestep == due.timestep && point.level.alpha == due.level.alpha && point.level.sigma == due.level.sigma, who_,
          "recorded the state with {} steps remaining at timestep {}, alpha {}, sigma {}; its grid point has {}, {}, {}",
          point.steps_remaining, point.timestep, point.level.alpha, point.level.sigma, due.timestep, due.level.alpha, due.level.sigma);
  check_state(who_, fmt::format("the state recorded with {} steps remaining", point.steps_remaining), state, spec_, batch_);
  ++next_;
}

void RecordCheck::end() const {
  if (next_ == points_.size()) return;
  require(false, who_, "recorded no state with {} steps remaining; every grid point is recorded once, from {} steps remaining to {}",
          points_[next_].steps_remaining, points_.front().steps_remaining, points_.back().steps_remaining);
}

at::Tensor finite_rows(const State& state) {
  at::Tensor finite;
  for (const auto& [name, tensor] : state) {
    if (!at::isFloatingType(tensor.scalar_type())) continue;
    const auto rows = at::isfinite(tensor).reshape({tensor.size(0), -1}).all(1);
    finite = finite.defined() ? finite.logical_and(rows) : rows;
  }
  const auto& any = state.begin()->second;
  return finite.defined() ? finite : at::ones({any.size(0)}, any.options().dtype(at::kBool));
}

void check_certificates(const std::string& who, const State& noise, const StateSpec& spec) {
  const auto& converged = noise.at(inversion::kConverged);
  require((converged.eq(0) + converged.eq(1)).all().item<bool>(), who, "recorded '{}' with other values than 0 and 1",
          inversion::kConverged);
  const auto rows = converged.nonzero().squeeze(1);
  const auto finite = [&](const std::string& name) { return at::isfinite(noise.at(name).index_select(0, rows)).all().item<bool>(); };
  for (const auto& [name, field] : spec) {
    require(finite(name), who,
            "recorded an inversion as converged whose noise is not finite in the field '{}'; such a one is not converged", name);
  }
  require(finite(inversion::kRoundTripError), who, "recorded an inversion as converged whose '{}' is not finite",
          inversion::kRoundTripError);
}

}  // namespace espalier
