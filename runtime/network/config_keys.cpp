#include "runtime/network/config_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"

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
  std::vector<std::string> names;
  for (const auto& key : keys) names.emplace_back(key.name);
  TypedTable(given, origin).refuse_unknown("the config", names);
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

std::int64_t ConfigReader::natural(std::string_view key, std::int64_t most) const {
  std::int64_t value = 0;
  integer(key, value, {.at_least = 1, .at_most = static_cast<double>(most)});
  return value;
}

double ConfigReader::number(std::string_view key) const {
  double value = 0.0;
  TypedTable::number(key, value);
  return value;
}

bool ConfigReader::boolean(std::string_view key) const {
  bool value = false;
  flag(key, value);
  return value;
}

std::string ConfigReader::text(std::string_view key, const std::vector<std::string>& allowed) const {
  std::string value;
  choice(key, value, allowed);
  return value;
}

std::vector<std::string> ConfigReader::texts(std::string_view key, const std::vector<std::string>& allowed) const {
  std::vector<std::string> values;
  choices(key, values, allowed);
  return values;
}

std::vector<std::int64_t> ConfigReader::naturals(std::string_view key) const {
  std::vector<std::int64_t> values;
  integers(key, values, {.at_least = 1, .at_most = kMostExtent});
  return values;
}

std::vector<std::int64_t> ConfigReader::naturals(std::string_view key, std::size_t count) const {
  if (config_.at(key).is_integer()) return std::vector<std::int64_t>(count, natural(key));
  auto values = naturals(key);
  if (values.size() != count) refuse(key, fmt::format("one integer, or as many as there are blocks ({})", count));
  return values;
}

}  // namespace espalier::network
