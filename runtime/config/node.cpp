#include "runtime/config/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "runtime/base/errors.h"

namespace espalier::config {

const Field* Node::find(const std::string& key) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.key == key; });
  return found == fields.end() ? nullptr : &*found;
}

Field& Node::set(const std::string& key, Node value) {
  const SourceSpan place = value.where;
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.key == key; });
  if (found == fields.end()) return fields.emplace_back(Field{key, place, std::move(value)});
  *found = Field{key, place, std::move(value)};
  return *found;
}

Node& Node::table(const std::string& key, const SourceSpan& place) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.key == key; });
  if (found != fields.end() && found->value.is_table()) return found->value;
  Node made;
  made.where = place;
  return set(key, std::move(made)).value;
}

Value Node::to_value() const {
  if (shape == Shape::scalar) return scalar;
  if (shape == Shape::list) {
    Value::List values;
    for (const Node& element : list) values.push_back(element.to_value());
    return values;
  }
  Value::Map values;
  for (const Field& field : fields) values[field.key] = field.value.to_value();
  return values;
}

std::string Node::found() const {
  if (shape == Shape::list) return "a list";
  if (shape == Shape::table) return "a table";
  const std::string text = to_json(scalar);
  return fmt::format("the {} {}", scalar.type_name(), text.size() <= 60 ? text : text.substr(0, 57) + "...");
}

void Problems::add(const SourceSpan& where, const std::string& message) {
  const bool known = std::ranges::any_of(problems_, [&](const Problem& one) {
    return one.where.line == where.line && one.where.column == where.column && one.message == message;
  });
  if (!known) problems_.push_back({where, message});
}

void Problems::raise() const {
  if (problems_.empty()) return;
  using Place = std::tuple<bool, std::uint32_t, std::uint32_t, std::size_t>;  // none, line, column, number of the problem
  std::vector<Place> places;
  places.reserve(problems_.size());
  for (const auto& [where, message] : problems_) places.emplace_back(where.line == 0, where.line, where.column, places.size());
  std::sort(places.begin(), places.end());
  std::string text;
  for (const Place& place : places) {
    const auto& [where, message] = problems_[std::get<3>(place)];
    text += (text.empty() ? "" : "\n") + where.to_string() + ": " + message;
  }
  throw ConfigError(text);
}

}  // namespace espalier::config
