#include "plugins/domain/layout/tasks.h"

#include <ATen/ops/zeros.h>
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

TaskPage given_by(const Page& page, Task task, double share, std::uint64_t seed, std::uint64_t number) {
  const auto count = page.size();
  TaskPage given{page, std::vector<bool>(count, task == Task::class_conditioned), std::vector<bool>(count)};
  if (task == Task::completion) {
    const auto wanted = static_cast<std::size_t>(std::ceil(share * static_cast<double>(count)));
    const auto boxes = std::min(wanted, count - std::min<std::size_t>(count, 1));
    const auto order = random::streams::given_boxes(seed);
    for (std::uint64_t k = 0; k < boxes; ++k) given.box_given[random::shuffled_index(order, number, count, k)] = true;
    given.class_given = given.box_given;
  }
  return given;
}

Sample sample_of(const std::vector<TaskPage>& pages, std::int64_t slots, bool with_given) {
  std::vector<Page> plain;
  for (const auto& page : pages) plain.push_back(page.page);
  auto sample = sample_of(plain, slots, at::kDouble);
  if (!with_given) return sample;
  const auto given = at::zeros({static_cast<std::int64_t>(pages.size()), slots, 2}, at::kBool);
  auto* row = given.mutable_data_ptr<bool>();
  for (const auto& page : pages) {
    for (std::size_t i = 0; i < page.page.size(); ++i) {
      row[2 * i] = page.class_given[i];
      row[2 * i + 1] = page.box_given[i];
    }
    row += 2 * slots;
  }
  sample.tensors["given"] = given;
  return sample;
}

std::string boxes_in_words(std::size_t boxes) { return boxes == 1 ? "1 box" : fmt::format("{} boxes", boxes); }

std::string describe(const TaskPage& page, Task task, const std::vector<std::string>& class_names) {
  auto boxes = boxes_in_words(page.page.size());
  if (task == Task::unconditional) return boxes;
  if (task == Task::completion) {
    return fmt::format("{} of {} given", std::count(page.box_given.begin(), page.box_given.end(), true), boxes);
  }
  const auto& found = page.page.class_index;
  std::string classes;
  for (std::size_t k = 0; k < class_names.size(); ++k) {
    const auto times = std::count(found.begin(), found.end(), static_cast<int>(k));
    if (times > 0) classes += fmt::format("{}{} x{}", classes.empty() ? ": " : ", ", class_names[k], times);
  }
  return boxes + classes;
}

}  // namespace espalier::layout
