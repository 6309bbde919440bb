#include "runtime/sdk/trajectory_source.h"

#include <charconv>
#include <utility>

#include "runtime/base/errors.h"

namespace espalier {
namespace {

constexpr std::string_view kRenoise = "renoise:", kRecorded = "recorded:";

// Returns n of a start "<kind>:<n>"; nothing for another start.
std::optional<std::int64_t> steps_after(std::string_view kind, const std::string& start) {
  if (!start.starts_with(kind)) return std::nullopt;
  std::int64_t steps = 0;
  const auto* end = start.data() + start.size();
  const auto read = std::from_chars(start.data() + kind.size(), end, steps);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return steps;
}

}  // namespace

Value Phase::to_value() const {
  Value value;
  value["start"] = start;
  value["process"] = process;
  value["solver"] = solver;
  Value::List points;
  for (const auto& point : grid.points) {
    points.push_back(Value(Value::List{point.steps_remaining, point.timestep, point.level.alpha, point.level.sigma}));
  }
  value["grid"] = Value(std::move(points));
  Value::List parts;
  for (const auto& segment : segments) {
    auto part = segment.model.function();  // a model's role and range change no trajectory beyond the steps it is used for
    part["first"] = segment.first;
    part["last"] = segment.last;
    part["guidance_scale"] = segment.guidance.scale;
    if (segment.guidance.rescale != 0.0) part["guidance_rescale"] = segment.guidance.rescale;
    if (segment.guidance.negative_prompt) part["negative_prompt"] = *segment.guidance.negative_prompt;
    parts.push_back(std::move(part));
  }
  value["segments"] = Value(std::move(parts));
  return value;
}

std::optional<std::int64_t> renoised_to(const Phase& phase) { return steps_after(kRenoise, phase.start); }

std::optional<std::int64_t> recorded_start(const Phase& phase) { return steps_after(kRecorded, phase.start); }

std::vector<Phase> continued_from(std::vector<Phase> phases, std::int64_t steps_remaining) {
  auto last = std::move(phases.back());
  const auto from = last.segments.front().first;
  if (steps_remaining < 1 || steps_remaining > from) {
    throw ConfigError("start_step is " + std::to_string(steps_remaining) + " steps; the sampler's last phase goes from " +
                      std::to_string(from) + " to 0, so that a step from 1 to " + std::to_string(from) + " can be continued");
  }
  last.start = std::string(kRecorded) + std::to_string(steps_remaining);
  std::erase_if(last.segments, [&](const Segment& segment) { return segment.last >= steps_remaining; });
  last.segments.front().first = steps_remaining;
  return {std::move(last)};
}

std::string renoise_start(std::int64_t steps_remaining) { return std::string(kRenoise) + std::to_string(steps_remaining); }

std::int64_t network_evaluations(const TrajectorySource& source, const std::vector<Phase>& phases) {
  std::int64_t passes = 0;
  for (const auto& phase : phases) {
    for (const auto& segment : phase.segments) passes += source.network_evaluations(phase, segment);
  }
  return passes;
}

}  // namespace espalier
