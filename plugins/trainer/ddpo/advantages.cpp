#include "plugins/trainer/ddpo/advantages.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier::ddpo {
namespace {

constexpr const char* kPrefix = "advantages.";

struct Moments {
  double mean = 0.0;
  double deviation = 0.0;

  explicit Moments(const std::vector<double>& values) {
    const auto count = static_cast<double>(values.size());
    mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
    double squares = 0.0;
    for (const auto value : values) squares += (value - mean) * (value - mean);
    deviation = std::sqrt(squares / count);
  }
};

void append(std::vector<double>& window, double reward, std::int64_t most) {
  window.push_back(reward);
  if (static_cast<std::int64_t>(window.size()) > most) window.erase(window.begin());
}

std::vector<double> group_advantages(const std::vector<std::string>& condition, const std::vector<double>& reward,
                                     const AdvantageOptions& options) {
  std::map<std::string, std::vector<double>> groups;
  for (std::size_t i = 0; i < reward.size(); ++i) groups[condition[i]].push_back(reward[i]);
  std::map<std::string, Moments> own;
  for (const auto& [name, rewards] : groups) own.emplace(name, Moments(rewards));
  const Moments batch(reward);
  std::vector<double> advantage;
  for (std::size_t i = 0; i < reward.size(); ++i) {
    const auto& group = own.at(condition[i]);
    const auto deviation = options.statistics == kGroup ? group.deviation : batch.deviation;
    advantage.push_back((reward[i] - group.mean) / (deviation + options.epsilon));
  }
  return advantage;
}

}  // namespace

std::vector<double> advantages(const std::vector<std::string>& condition, const std::vector<double>& reward,
                               const AdvantageOptions& options, Windows& windows) {
  if (reward.empty()) return {};
  if (options.statistics != kWindow) return group_advantages(condition, reward, options);
  if (options.window > 0) {
    for (std::size_t i = 0; i < reward.size(); ++i) append(windows[condition[i]], reward[i], options.window);
  }
  const Moments batch(reward);
  std::map<std::string, Moments> own;
  for (const auto& [name, window] : windows) {
    if (!window.empty() && static_cast<std::int64_t>(window.size()) >= options.min_count) own.emplace(name, Moments(window));
  }
  std::vector<double> advantage;
  advantage.reserve(reward.size());
  for (std::size_t i = 0; i < reward.size(); ++i) {
    const auto found = options.window > 0 ? own.find(condition[i]) : own.end();
    const auto& moments = found == own.end() ? batch : found->second;
    advantage.push_back((reward[i] - moments.mean) / (moments.deviation + options.epsilon));
  }
  return advantage;
}

TensorMap to_state(const Windows& windows) {
  TensorMap state;
  for (const auto& [name, window] : windows) state.emplace(kPrefix + name, at::tensor(window, at::kDouble));
  return state;
}

Windows windows_of(const TensorMap& state) {
  Windows windows;
  for (const auto& [name, tensor] : state) {
    if (!name.starts_with(kPrefix)) continue;
    const auto rewards = tensor.to(at::kCPU, at::kDouble).contiguous();
    const auto* first = rewards.const_data_ptr<double>();
    windows.emplace(name.substr(std::string(kPrefix).size()), std::vector<double>(first, first + rewards.numel()));
  }
  return windows;
}

}  // namespace espalier::ddpo
