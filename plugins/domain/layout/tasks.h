#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/shared/elements/sets.h"
#include "plugins/shared/layout/page.h"

// A page as a set of elements: the class is the token, the box the vector.
namespace espalier::layout {

// A box's numbers, shares of the page, as the network sees them: about unit variance.
inline constexpr double kVectorScale = 4.0;  // vector = (box - 1/2) kVectorScale

elements::ElementSet to_set(const Page& page);

enum class Task { unconditional, class_conditioned, completion };
Task task_of(const std::string& name);  // throws ConfigError naming the tasks
std::vector<std::string> task_names();

// The page with what the task gives: nothing; every box's class; or a random subset of whole boxes, ceil(share x boxes) but not all of
// them, a function of (seed, number).
elements::ElementSet given_by(const Page& page, Task task, double share, std::uint64_t seed, std::uint64_t number);

// "12 boxes", "12 boxes: text x8, title x2, figure x2", "4 of 12 boxes given".
std::string describe(const elements::ElementSet& set, Task task, const std::vector<std::string>& class_names);

}  // namespace espalier::layout
