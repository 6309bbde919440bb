#include "plugins/metric/reward_summary/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier::reward_summary {

std::vector<std::string> groups_of(const std::vector<Value>& metadata, const std::string& key, const std::string& tag) {
  std::vector<std::string> groups;
  std::set<std::string> keys;
  bool found = false;
  for (const auto& about : metadata) {
    if (about.is_map()) {
      for (const auto& [name, value] : about.as_map()) keys.insert(name);
    }
    const auto* value = about.is_map() ? about.find(key) : nullptr;
    if (value == nullptr || value->is_null()) {
      groups.emplace_back();
      continue;
    }
    if (value->is_list() || value->is_map()) {
      throw ConfigError(
          fmt::format("metric.reward_summary: group_by names '{}', which is a {} in the metadata of a prompt of '{}'; prompts are "
                      "grouped by a text, a number or a flag",
                      key, value->type_name(), tag));
    }
    groups.push_back(value->is_string() ? value->as_string() : to_json(*value));
    found = true;
  }
  if (!found) {
    throw ConfigError(fmt::format("metric.reward_summary: group_by names '{}', which no prompt of '{}' has in its metadata{}", key, tag,
                                  did_you_mean(key, {keys.begin(), keys.end()})));
  }
  return groups;
}

std::vector<std::string> distinct(const std::vector<std::vector<std::string>>& groups) {
  std::vector<std::string> all;
  std::set<std::string> seen;
  for (const auto& of_view : groups) {
    for (const auto& group : of_view) {
      if (seen.insert(group).second) all.push_back(group);
    }
  }
  return all;
}

intervals::ByCondition of_group(const std::string& group, const std::vector<std::string>& groups, const std::vector<double>& value,
                                const std::vector<std::int64_t>& condition) {
  std::vector<double> values;
  std::vector<std::int64_t> conditions;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (groups.at(static_cast<std::size_t>(condition[i])) != group) continue;
    values.push_back(value[i]);
    conditions.push_back(condition[i]);
  }
  return intervals::group(values, conditions);
}

}  // namespace espalier::reward_summary
