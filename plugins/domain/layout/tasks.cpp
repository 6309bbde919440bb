#include "plugins/domain/layout/tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/random/draws.h"
#include "runtime/random/streams.h"

namespace espalier::layout {
namespace {

const std::map<std::string, Task> kTasks = {
    {"unconditional", Task::unconditional}, {"class_conditioned", Task::class_conditioned}, {"completion", Task::completion}};

}  // namespace

elements::ElementSet to_set(const Page& page) {
  elements::ElementSet set;
  for (std::size_t i = 0; i < page.size(); ++i) {
    set.token.push_back(page.class_index[i]);
    for (const double number : page.box[i]) set.vector.push_back(static_cast<float>((number - 0.5) * kVectorScale));
  }
  return set;
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const auto& [name, task] : kTasks) names.push_back(name);
  return names;
}

Task task_of(const std::string& name) {
  const auto found = kTasks.find(name);
  if (found == kTasks.end()) throw ConfigError("domain.layout: no task '" + name + "'" + did_you_mean(name, task_names()));
  return found->second;
}

elements::ElementSet given_by(const Page& page, Task task, double share, std::uint64_t seed, std::uint64_t number) {
  auto set = to_set(page);
  const auto count = page.size();
  if (task == Task::class_conditioned) set.token_frozen.assign(count, true);
  if (task == Task::completion) {
    const auto wanted = static_cast<std::size_t>(std::ceil(share * static_cast<double>(count)));
    const auto given = std::min(wanted, count - std::min<std::size_t>(count, 1));
    set.token_frozen.assign(count, false);
    const auto order = random::streams::given_boxes(seed);
    for (std::uint64_t k = 0; k < given; ++k) set.token_frozen[random::shuffled_index(order, number, count, k)] = true;
    set.vector_frozen = set.token_frozen;
  }
  return set;
}

std::string describe(const elements::ElementSet& set, Task task, const std::vector<std::string>& class_names) {
  const auto boxes = set.size() == 1 ? std::string("1 box") : fmt::format("{} boxes", set.size());
  if (task == Task::unconditional) return boxes;
  if (task == Task::completion) {
    return fmt::format("{} of {} given", std::count(set.token_frozen.begin(), set.token_frozen.end(), true), boxes);
  }
  std::string classes;
  for (std::size_t k = 0; k < class_names.size(); ++k) {
    const auto times = std::count(set.token.begin(), set.token.end(), static_cast<std::int64_t>(k));
    if (times > 0) classes += fmt::format("{}{} x{}", classes.empty() ? ": " : ", ", class_names[k], times);
  }
  return boxes + classes;
}

}  // namespace espalier::layout
