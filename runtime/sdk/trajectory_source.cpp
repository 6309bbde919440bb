#include "runtime/sdk/trajectory_source.h"

#include <charconv>

namespace espalier {
namespace {

constexpr std::string_view kRenoise = "renoise:";

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

std::optional<std::int64_t> renoised_to(const Phase& phase) {
  if (!phase.start.starts_with(kRenoise)) return std::nullopt;
  std::int64_t steps = 0;
  const auto* end = phase.start.data() + phase.start.size();
  const auto read = std::from_chars(phase.start.data() + kRenoise.size(), end, steps);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return steps;
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
