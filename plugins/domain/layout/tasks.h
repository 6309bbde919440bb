#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/shared/layout/page.h"

// What of a page is given, to a network in training or as a condition.
namespace espalier::layout {

enum class Task { unconditional, class_conditioned, completion };
Task task_of(const std::string& name);  // throws ConfigError naming the tasks
std::vector<std::string> task_names();

struct TaskPage {
  Page page;
  std::vector<bool> class_given, box_given;  // [boxes]
};

// The page with what the task gives: nothing; every box's class; or a random subset of whole boxes, ceil(share x boxes) but not all of
// them, a function of (seed, number).
TaskPage given_by(const Page& page, Task task, double share, std::uint64_t seed, std::uint64_t number);

// As page.h's, exact: boxes of float64; `with_given`: also the tensor "given" [B, M, 2] bool, of each box whether its class and its
// numbers are given.
Sample sample_of(const std::vector<TaskPage>& pages, std::int64_t slots, bool with_given);

std::string boxes_in_words(std::size_t boxes);  // "12 boxes"

// "12 boxes", "12 boxes: text x8, title x2, figure x2", "4 of 12 boxes given".
std::string describe(const TaskPage& page, Task task, const std::vector<std::string>& class_names);

}  // namespace espalier::layout
