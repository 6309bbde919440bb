#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/domain/layout/tasks.h"
#include "plugins/shared/layout/page.h"
#include "runtime/sdk/domain.h"

namespace espalier::layout {

// The pages of one split, as examples and conditions.
struct PageSource {
  std::vector<std::string> class_names;
  std::vector<Page> pages;
  std::int64_t max_boxes = 0;
};

// What a network is trained to do with pages: of each page one of these tasks, by the page's number; `share` as in given_by().
struct TaskMix {
  std::vector<Task> tasks;
  double share = 0.5;
};

// Training examples: page k of the n with the first task, then all with the second, and so on; metadata {"boxes", "classes"}.
std::unique_ptr<Examples> make_examples(const PageSource& source, const TaskMix& mix);

// `count` conditions of a task: sizes spread like the pages', or what is given of the first `count` pages. Facts {"boxes", "classes"}, the
// classes where they are given.
Conditions make_conditions(const PageSource& source, Task task, double share, std::int64_t count);

}  // namespace espalier::layout
