#include "runtime/sdk/schema.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier {
namespace {

bool is_infinite(const Value& value) { return value.is_float() && std::isinf(value.as_number()); }

// As to_json() writes an infinity, which JSON has no number for.
Value spelled(Value value) {
  if (is_infinite(value)) return value.as_number() > 0 ? "inf" : "-inf";
  if (!value.is_list()) return value;
  Value::List list = value.as_list();
  for (auto& element : list) element = spelled(std::move(element));
  return list;
}

std::string found(const Value& value) { return "; found " + found_text(value); }

std::string set_step(Step& target, const Value& value) {
  try {
    target = Step::from_value(value);
    return "";
  } catch (const ConfigError&) {
    return "an index from 0 (an integer) or a fraction from 0.0 to 1.0 (a float)";
  }
}

// What would be right, with what was found; "" where nothing is wrong.
std::string right_or_found(const std::string& right, const Value& value) { return right.empty() ? "" : right + found(value); }

template <class Item, class SetItem>
std::string set_list(std::vector<Item>& target, const Value& value, SetItem set_item) {
  if (!value.is_list()) return "a list" + found(value);
  std::vector<Item> items;
  for (const auto& element : value.as_list()) {
    Item item{};
    if (const auto right = set_item(item, element); !right.empty()) return "a list; each element is " + right + found(element);
    items.push_back(std::move(item));
  }
  target = std::move(items);
  return "";
}

template <class Item>
Value list_value(const std::vector<Item>& items) {
  Value::List list;
  for (const auto& item : items) {
    if constexpr (std::is_same_v<Item, Step>) {
      list.push_back(item.to_value());
    } else {
      list.push_back(Value(item));
    }
  }
  return Value(std::move(list));
}

}  // namespace

Schema::Declaration Schema::add(const std::string& name, const std::string& type, const std::string& doc,
                                std::function<std::string(const Value&)> set, std::function<Value()> get) {
  for (const auto& other : entries_) {
    if (other.info.name == name) throw InternalError("the option '" + name + "' is declared twice");
  }
  Entry entry;
  entry.info.name = name;
  entry.info.type = type;
  entry.info.doc = doc;
  entry.info.default_value = get();
  entry.set = std::move(set);
  entry.get = std::move(get);
  entries_.push_back(std::move(entry));
  return Declaration(*this, entries_.size() - 1);
}

Schema::Declaration Schema::integer(const std::string& name, std::int64_t& target, const std::string& doc) {
  return add(
      name, "integer", doc, [&target](const Value& value) { return right_or_found(typed::set_integer(target, value), value); },
      [&target] { return Value(target); });
}

Schema::Declaration Schema::number(const std::string& name, double& target, const std::string& doc) {
  return add(
      name, "number", doc, [&target](const Value& value) { return right_or_found(typed::set_number(target, value), value); },
      [&target] { return Value(target); });
}

Schema::Declaration Schema::flag(const std::string& name, bool& target, const std::string& doc) {
  return add(
      name, "bool", doc, [&target](const Value& value) { return right_or_found(typed::set_flag(target, value), value); },
      [&target] { return Value(target); });
}

Schema::Declaration Schema::text(const std::string& name, std::string& target, const std::string& doc) {
  return add(
      name, "string", doc, [&target](const Value& value) { return right_or_found(typed::set_text(target, value), value); },
      [&target] { return Value(target); });
}

Schema::Declaration Schema::text(const std::string& name, std::optional<std::string>& target, const std::string& doc) {
  return add(
      name, "string", doc,
      [&target](const Value& value) {
        std::string text;
        const auto right = value.is_null() ? "" : typed::set_text(text, value);
        if (right.empty()) target = value.is_null() ? std::nullopt : std::optional(text);
        return right_or_found(right, value);
      },
      [&target] { return target ? Value(*target) : Value(nullptr); });
}

Schema::Declaration Schema::path(const std::string& name, std::string& target, const std::string& doc) {
  return add(
      name, "path", doc, [&target](const Value& value) { return right_or_found(typed::set_text(target, value), value); },
      [&target] { return Value(target); });
}

Schema::Declaration Schema::choice(const std::string& name, std::string& target, const std::vector<std::string>& choices,
                                   const std::string& doc) {
  const auto declaration = add(
      name, "choice", doc,
      [&target, choices](const Value& value) {
        const auto right = typed::set_choice(target, choices, value);
        return right.empty() ? "" : right_or_found(right, value) + typed::nearest_choice(choices, value);
      },
      [&target] { return Value(target); });
  entries_.back().info.choices = choices;
  entries_.back().info.bounds = joined(choices);
  return declaration;
}

Schema::Declaration Schema::step(const std::string& name, Step& target, const std::string& doc) {
  return add(
      name, "step", doc, [&target](const Value& value) { return right_or_found(set_step(target, value), value); },
      [&target] { return target.to_value(); });
}

Schema::Declaration Schema::step(const std::string& name, Step& target, const std::string& word, bool& named, const std::string& doc) {
  const auto set = [&target, &named, word](const Value& value) {
    named = value.is_string() && value.as_string() == word;
    if (named) return std::string();
    const auto right = set_step(target, value);
    return right_or_found(right.empty() ? right : "\"" + word + "\", " + right, value);
  };
  return add(name, "step", doc, set, [&target, &named, word] { return named ? Value(word) : target.to_value(); });
}

Schema::Declaration Schema::steps(const std::string& name, std::vector<Step>& target, const std::string& doc) {
  return add(
      name, "steps", doc, [&target](const Value& value) { return set_list(target, value, set_step); },
      [&target] { return list_value(target); });
}

Schema::Declaration Schema::numbers(const std::string& name, std::vector<double>& target, const std::string& doc) {
  return add(
      name, "numbers", doc, [&target](const Value& value) { return set_list(target, value, typed::set_number); },
      [&target] { return list_value(target); });
}

Schema::Declaration Schema::strings(const std::string& name, std::vector<std::string>& target, const std::string& doc) {
  return add(
      name, "strings", doc, [&target](const Value& value) { return set_list(target, value, typed::set_text); },
      [&target] { return list_value(target); });
}

Schema::Declaration& Schema::Declaration::above(double bound) {
  return bind([bound](Entry& entry) { entry.bounds.above = bound; });
}
Schema::Declaration& Schema::Declaration::at_least(double bound) {
  return bind([bound](Entry& entry) { entry.bounds.at_least = bound; });
}
Schema::Declaration& Schema::Declaration::below(double bound) {
  return bind([bound](Entry& entry) { entry.bounds.below = bound; });
}
Schema::Declaration& Schema::Declaration::at_most(double bound) {
  return bind([bound](Entry& entry) { entry.bounds.at_most = bound; });
}
Schema::Declaration& Schema::Declaration::may_be_infinite() {
  return bind([](Entry& entry) { entry.bounds.infinite = true; });
}

Schema::Declaration& Schema::Declaration::view() {
  schema_.entries_[index_].info.role = OptionRole::view;
  return *this;
}

Schema::Declaration& Schema::Declaration::operational() {
  schema_.entries_[index_].info.role = OptionRole::operational;
  return *this;
}

Schema::Declaration& Schema::Declaration::unkeyed_default() {
  schema_.entries_[index_].info.keyed_at_default = false;
  return *this;
}

Schema::Declaration& Schema::Declaration::unkeyed_default(std::function<bool()> same) {
  schema_.entries_[index_].same_as_default = std::move(same);
  return unkeyed_default();
}

Schema::Declaration& Schema::Declaration::required() {
  schema_.entries_[index_].info.required = true;
  return *this;
}

template <class Change>
Schema::Declaration& Schema::Declaration::bind(Change change) {
  Entry& entry = schema_.entries_[index_];
  const auto& type = entry.info.type;
  if (type != "integer" && type != "number" && type != "numbers") {
    throw InternalError("the option '" + entry.info.name + "' of type " + type + " cannot have numeric bounds");
  }
  change(entry);
  entry.info.bounds = entry.bounds.text();
  return *this;
}

bool Schema::Entry::finite_where_it_must(const Value& value) const {
  return (info.type != "number" && info.type != "numbers") || bounds.finite(value);
}

std::vector<OptionInfo> Schema::infos() const {
  std::vector<OptionInfo> infos;
  for (const auto& entry : entries_) infos.push_back(entry.info);
  return infos;
}

std::vector<OptionProblem> Schema::read(const Value& options) {
  std::vector<OptionProblem> problems;
  std::vector<std::string> names;
  for (auto& entry : entries_) {
    const auto& name = entry.info.name;
    names.push_back(name);
    const Value* value = options.find(name);
    if (!value) {
      if (entry.info.required) problems.push_back({name, "needs the option '" + name + "' (" + entry.info.type + "): " + entry.info.doc});
    } else if (!entry.finite_where_it_must(*value)) {
      problems.push_back({name, "takes the option '" + name + "' as " +
                                    (entry.info.type == "number" ? "a finite number" : "finite numbers") + found(*value)});
    } else if (!entry.bounds.hold(*value)) {
      problems.push_back({name, "takes the option '" + name + "' " + entry.info.bounds + found(*value)});
    } else if (const auto wrong = entry.set(*value); !wrong.empty()) {
      problems.push_back({name, "takes the option '" + name + "' as " + wrong});
    }
  }
  for (const auto& [name, value] : options.as_map()) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    problems.push_back({name, "has no option '" + name + "'" + (names.empty() ? "; it has none" : did_you_mean(name, names))});
  }
  return problems;
}

Value Schema::values(OptionRole role) const {
  Value table;
  for (const auto& entry : entries_) {
    if (entry.info.role != role) continue;
    auto value = entry.get();
    const bool usual = value == entry.info.default_value || (entry.same_as_default && entry.same_as_default());
    if (entry.info.keyed_at_default || !usual) table[entry.info.name] = spelled(std::move(value));
  }
  return table;
}

}  // namespace espalier
