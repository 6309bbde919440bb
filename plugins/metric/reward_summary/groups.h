#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/value.h"
#include "runtime/selection/bootstrap.h"

// Prompts grouped by what their condition metadata have under a key ("category").
namespace espalier::reward_summary {

// The group of each condition: the value under `key`, a text, a number or a flag; "" where a prompt has none. Throws ConfigError, naming
// the scores' `tag`, where no prompt has one (with the nearest key), or where one is a list or a table.
std::vector<std::string> groups_of(const std::vector<Value>& metadata, const std::string& key, const std::string& tag);

// All of them, each once, in the order in which they come first.
std::vector<std::string> distinct(const std::vector<std::vector<std::string>>& groups);

// The finite values of one group, summed by condition.
intervals::ByCondition of_group(const std::string& group, const std::vector<std::string>& groups, const std::vector<double>& value,
                                const std::vector<std::int64_t>& condition);

}  // namespace espalier::reward_summary
