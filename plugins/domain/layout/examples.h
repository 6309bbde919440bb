#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/domain/layout/tasks.h"
#include "plugins/shared/layout/page.h"
#include "runtime/sdk/dataset.h"

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

// What conditions say, and how many there are.
struct Asked {
  Task task = Task::unconditional;
  double share = 0.5;
  std::int64_t count = 256;
};

// Training examples: page k of the n with the first task, then all with the second, and so on; samples as sample_of() of tasks.h, with
// "given" where a task gives something; the conditions are the encoded sets; metadata {"boxes", "classes"}.
std::unique_ptr<Examples> make_examples(const PageSource& source, const TaskMix& mix);

// Conditions of a task: sizes spread like the pages', or what is given of the first pages. Metadata {"boxes", "classes"}, the classes
// where they are given.
Conditions make_conditions(const PageSource& source, const Asked& asked);

// The splits "train" and, where the sources have it, "held_out".
class LayoutData final : public Dataset {
 public:
  LayoutData(std::map<std::string, PageSource> sources, TaskMix mix, const Asked& asked);
  std::vector<std::string> splits() const override;
  Conditions conditions(const std::string& split) const override { return make_conditions(source(split), asked_); }
  std::unique_ptr<Examples> examples(const std::string& split) const override { return make_examples(source(split), mix_); }

 private:
  const PageSource& source(const std::string& split) const;
  std::map<std::string, PageSource> sources_;
  TaskMix mix_;
  Asked asked_;
};

}  // namespace espalier::layout
