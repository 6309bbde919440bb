#include "runtime/base/progress_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{:02}:{:02}", whole / 60, whole % 60);
}

double rate(const ProgressState& state) {
  return state.seconds > 0.0 ? static_cast<double>(state.done - state.done_before) / state.seconds : 0.0;
}

std::string rate_text(const ProgressState& state) {
  const double per_second = rate(state);
  if (per_second <= 0.0) return "? " + state.unit + "/s";
  if (per_second < 1.0) return fmt::format("{:.2f} s/{}", 1.0 / per_second, state.unit);
  return fmt::format("{:.1f} {}/s", per_second, state.unit);
}

std::string left_text(const ProgressState& state) {
  const double per_second = rate(state);
  if (state.total <= 0 || per_second <= 0.0) return "?";
  return clock_text(static_cast<double>(std::max<std::int64_t>(0, state.total - state.done)) / per_second);
}

std::string count_text(const ProgressState& state) {
  return state.total > 0 ? fmt::format("{}/{} {}", state.done, state.total, state.unit) : fmt::format("{} {}", state.done, state.unit);
}

}  // namespace

std::string progress_bar(const ProgressState& state, int width, bool colour) {
  std::string tail = fmt::format(" {} [{}<{}, {}]", count_text(state), clock_text(state.seconds), left_text(state), rate_text(state));
  if (!state.note.empty()) tail += " " + state.note;
  if (state.total <= 0) return (state.label + tail).substr(0, static_cast<std::size_t>(std::max(width, 0)));
  const double fraction = std::clamp(static_cast<double>(state.done) / static_cast<double>(state.total), 0.0, 1.0);
  const std::string head = fmt::format("{} {:3}%", state.label, static_cast<int>(std::floor(100.0 * fraction)));
  const int room = std::min(40, width - static_cast<int>(head.size() + tail.size()) - 2);
  if (room < 4) return (head + tail).substr(0, static_cast<std::size_t>(std::max(width, 0)));
  const int filled = static_cast<int>(std::floor(fraction * room));
  const std::string full(static_cast<std::size_t>(filled), '='), empty(static_cast<std::size_t>(room - filled), ' ');
  return head + "|" + (colour ? "\033[32m" + full + "\033[0m" : full) + empty + "|" + tail;
}

std::string progress_line(const ProgressState& state) {
  std::string line = fmt::format("{}: {}, {}", state.label, count_text(state), rate_text(state));
  if (state.total > 0 && state.done < state.total) line += fmt::format(", {} left", left_text(state));
  if (!state.note.empty()) line += "; " + state.note;
  return line;
}

}  // namespace espalier
