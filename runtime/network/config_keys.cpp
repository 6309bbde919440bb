#include "runtime/network/config_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier::network {
namespace {

// 1 and 1.0 are one number to JSON's other readers; a list of equal elements stands for one of them.
bool same(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return a.as_number() == b.as_number();
  if (a.is_list() && !b.is_list()) return std::ranges::all_of(a.as_list(), [&](const Value& element) { return same(element, b); });
  return a == b;
}

}  // namespace

Value complete_config(const Value& given, const std::vector<ConfigKey>& keys, const std::string& origin) {
  if (!given.is_map()) throw DataError(fmt::format("{}: a config must be a JSON object, found a {}", origin, given.type_name()));
  std::vector<std::string> names;
  for (const auto& key : keys) names.emplace_back(key.name);
  for (const auto& [name, value] : given.as_map()) {
    if (std::ranges::find(names, name) == names.end())
      throw DataError(fmt::format("{}: unknown key '{}'{}", origin, name, did_you_mean(name, names)));
  }
  Value complete;
  for (const auto& key : keys) {
    const auto* value = given.find(key.name);
    if (key.use == ConfigKey::Use::ignored) continue;
    if (key.use == ConfigKey::Use::fixed && value != nullptr && !same(*value, key.default_value)) {
      throw DataError(
          fmt::format("{}: {} = {} is not supported; it must be {}", origin, key.name, to_json(*value), to_json(key.default_value)));
    }
    complete[key.name] = value == nullptr || key.use == ConfigKey::Use::fixed ? key.default_value : *value;
  }
  return complete;
}

void ConfigReader::refuse(std::string_view key, const std::string& right) const {
  throw DataError(fmt::format("{}: {} = {}; it must be {}", origin_, key, to_json(config_.at(key)), right));
}

std::int64_t ConfigReader::natural(std::string_view key, std::int64_t most) const {
  const auto& value = config_.at(key);
  if (!value.is_integer() || value.as_integer() < 1 || value.as_integer() > most) refuse(key, fmt::format("an integer from 1 to {}", most));
  return value.as_integer();
}

double ConfigReader::number(std::string_view key) const {
  if (!config_.at(key).is_number()) refuse(key, "a number");
  return config_.at(key).as_number();
}

bool ConfigReader::boolean(std::string_view key) const {
  if (!config_.at(key).is_bool()) refuse(key, "true or false");
  return config_.at(key).as_bool();
}

std::string ConfigReader::text(std::string_view key, const std::vector<std::string>& allowed) const {
  const auto& value = config_.at(key);
  if (!value.is_string() || (!allowed.empty() && std::ranges::find(allowed, value.as_string()) == allowed.end())) {
    refuse(key, allowed.empty() ? "a string" : fmt::format("one of {}", fmt::join(allowed, ", ")));
  }
  return value.as_string();
}

std::vector<std::string> ConfigReader::texts(std::string_view key, const std::vector<std::string>& allowed) const {
  std::vector<std::string> result;
  if (!config_.at(key).is_list() || config_.at(key).as_list().empty()) refuse(key, "a list");
  for (const auto& value : config_.at(key).as_list()) {
    if (!value.is_string() || std::ranges::find(allowed, value.as_string()) == allowed.end()) {
      refuse(key, fmt::format("a list of {}", fmt::join(allowed, ", ")));
    }
    result.push_back(value.as_string());
  }
  return result;
}

std::vector<std::int64_t> ConfigReader::naturals(std::string_view key) const {
  std::vector<std::int64_t> result;
  if (!config_.at(key).is_list() || config_.at(key).as_list().empty()) refuse(key, "a list of integers above 0");
  for (const auto& value : config_.at(key).as_list()) {
    if (!value.is_integer() || value.as_integer() < 1 || value.as_integer() > kMostExtent) {
      refuse(key, fmt::format("a list of integers from 1 to {}", kMostExtent));
    }
    result.push_back(value.as_integer());
  }
  return result;
}

std::vector<std::int64_t> ConfigReader::naturals(std::string_view key, std::size_t count) const {
  if (config_.at(key).is_integer()) return std::vector<std::int64_t>(count, natural(key));
  auto result = naturals(key);
  if (result.size() != count) refuse(key, fmt::format("one integer, or as many as there are blocks ({})", count));
  return result;
}

}  // namespace espalier::network
