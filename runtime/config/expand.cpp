#include "runtime/config/expand.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/suggest.h"
#include "runtime/config/checks.h"

namespace espalier::config {
namespace {

constexpr std::size_t kMaxStages = 4096;
constexpr std::int64_t kMaxRounds = 100;

struct Stage {
  Node node;
  StageOrigin origin;
  bool has_seed = false;  // in the file
};

std::string text_of(const Node& node, const std::string& key) {
  const Field* field = node.find(key);
  return field != nullptr && field->value.is_string() ? field->value.scalar.as_string() : "";
}

std::string tag_of(const Stage& stage) { return text_of(stage.node, "tag"); }
bool is_metric(const Stage& stage) { return TypeName(text_of(stage.node, "type")).kind == "metric"; }
bool is_sampler(const Stage& stage) { return TypeName(text_of(stage.node, "type")).kind == "sampler"; }

Node text_node(const std::string& text, const SourceSpan& where) {
  Node node;
  node.where = where;
  node.shape = Node::Shape::scalar;
  node.scalar = text;
  return node;
}

Node integer_node(std::int64_t number, const SourceSpan& where) {
  Node node = text_node("", where);
  node.scalar = number;
  return node;
}

Node list_node(const std::vector<std::string>& texts, const SourceSpan& where) {
  Node node;
  node.where = where;
  node.shape = Node::Shape::list;
  for (const auto& text : texts) node.list.push_back(text_node(text, where));
  return node;
}

// The tags that an input names; none if it is neither a string nor a list of strings, which read_inputs() reports.
std::vector<std::string> named_tags(const Node& input) {
  if (input.is_string()) return {input.scalar.as_string()};
  std::vector<std::string> tags;
  for (const Node& one : input.list) {
    if (!one.is_string()) return {};
    tags.push_back(one.scalar.as_string());
  }
  return tags;
}

// The inputs of a stage, which may be changed.
std::vector<Field>* inputs_of(Node& stage) {
  for (Field& field : stage.fields) {
    if (field.key == "inputs" && field.value.is_table()) return &field.value.fields;
  }
  return nullptr;
}

const std::vector<Field>& inputs_of(const Node& stage) {
  static const std::vector<Field> none;
  const Field* field = stage.find("inputs");
  return field == nullptr ? none : field->value.fields;
}

// The option as a stage has it: its own, or that of [defaults] for its type; "" if it is no string.
std::string option_text(const Node& root, const Stage& stage, const std::string& option) {
  if (const Field* own = stage.node.find("options"); own != nullptr && own->value.find(option) != nullptr)
    return text_of(own->value, option);
  const Field* defaults = root.find("defaults");
  const Field* preset = defaults == nullptr ? nullptr : defaults->value.find(text_of(stage.node, "type"));
  return preset == nullptr ? "" : text_of(preset->value, option);
}

bool is_held_out(const Node& root, const Stage& stage) { return is_sampler(stage) && option_text(root, stage, "noise") == "held_out"; }

// --- rounds

struct Rounds {
  std::int64_t count = 1;
  std::vector<std::string> stages;
  std::string start;
  std::vector<std::string> next;

  bool contains(const std::string& tag) const { return std::ranges::find(stages, tag) != stages.end(); }
};

std::string round_tag(const std::string& tag, std::int64_t round) { return fmt::format("{}-r{}", tag, round); }

class RoundsReader {
 public:
  RoundsReader(const Node& table, const std::vector<Stage>& stages, const Node* models, Problems& problems)
      : table_(table), stages_(stages), models_(models), problems_(problems) {}

  std::optional<Rounds> read() {
    const auto before = problems_.count();
    check_keys(table_, {"count", "stages", "start", "next"}, "[rounds]", problems_);
    Rounds rounds;
    const Field* count = need("count", "a number of rounds");
    if (count != nullptr) {
      const Value& value = count->value.scalar;
      const bool whole = count->value.shape == Node::Shape::scalar && value.is_integer();
      if (whole && value.as_integer() >= 1 && value.as_integer() <= kMaxRounds) {
        rounds.count = value.as_integer();
      } else {
        problems_.add(count->where,
                      fmt::format("[rounds]: 'count' is an integer from 1 to {}; found {}", kMaxRounds, count->value.found()));
      }
    }
    rounds.stages = read_names("stages", "the tags of the stages that are repeated", false);
    if (const auto start = read_string(table_, "start", true, "[rounds]", problems_)) rounds.start = *start;
    rounds.next = read_names("next", "what the next round starts from: of a P-GRAFT model, [\"<its tag>\", \"<base>\"]", true);
    if (problems_.count() != before) return std::nullopt;
    check(rounds);
    return problems_.count() == before ? std::optional(rounds) : std::nullopt;
  }

 private:
  const Field* need(const std::string& key, const std::string& what) {
    const Field* field = table_.find(key);
    if (field == nullptr) problems_.add(table_.where, fmt::format("[rounds]: '{}' is missing: {}", key, what));
    return field;
  }

  std::vector<std::string> read_names(const std::string& key, const std::string& what, bool may_be_one) {
    const Field* field = need(key, what);
    if (field == nullptr) return {};
    const Node& value = field->value;
    const bool list =
        value.is_list() && !value.list.empty() && std::ranges::all_of(value.list, [](const Node& one) { return one.is_string(); });
    if (list || (may_be_one && value.is_string())) return named_tags(value);
    problems_.add(field->where, fmt::format("[rounds]: '{}' is {}a list of strings, {}; found {}", key, may_be_one ? "a string or " : "",
                                            what, value.is_list() ? "another list" : value.found()));
    return {};
  }

  void check(const Rounds& rounds) {
    std::vector<std::string> tags, models;
    for (const Stage& stage : stages_) tags.push_back(tag_of(stage));
    if (models_ != nullptr) {
      for (const Field& model : models_->fields) models.push_back(model.key);
    }
    const auto has = [](const std::vector<std::string>& names, const std::string& name) {
      return std::ranges::find(names, name) != names.end();
    };
    for (const auto& tag : rounds.stages) {
      if (!has(tags, tag))
        problems_.add(table_.find("stages")->where, fmt::format("[rounds]: no stage has the tag '{}'{}", tag, did_you_mean(tag, tags)));
    }
    if (!has(models, rounds.start)) {
      problems_.add(table_.find("start")->where,
                    fmt::format("[rounds]: 'start' is a name of [models]; found '{}'{}", rounds.start, did_you_mean(rounds.start, models)));
    }
    for (const auto& name : rounds.next) {
      if (rounds.contains(name) || has(models, name)) continue;
      problems_.add(table_.find("next")->where,
                    fmt::format("[rounds]: 'next' names stages of the rounds and models of [models]; found '{}'{}", name,
                                did_you_mean(name, rounds.stages)));
    }
    if (std::ranges::none_of(rounds.next, [&](const auto& name) { return rounds.contains(name); })) {
      problems_.add(table_.find("next")->where, "[rounds]: 'next' names no stage of the rounds, so that all rounds would be the same");
    }
    const bool taken = std::ranges::any_of(stages_, [&](const Stage& stage) {
      return rounds.contains(tag_of(stage)) && std::ranges::any_of(inputs_of(stage.node), [&](const Field& input) {
               return named_tags(input.value) == std::vector{rounds.start};
             });
    });
    if (!taken) {
      problems_.add(
          table_.find("start")->where,
          fmt::format("[rounds]: no stage of the rounds has the input '{}' alone, so that all rounds would be the same", rounds.start));
    }
  }

  const Node& table_;
  const std::vector<Stage>& stages_;
  const Node* models_;
  Problems& problems_;
};

std::int64_t seed_of(const Node& root, const Node& stage) {
  for (const Node* node : {&stage, &root}) {
    const Field* seed = node->find("seed");
    if (seed != nullptr && seed->value.shape == Node::Shape::scalar && seed->value.scalar.is_integer())
      return seed->value.scalar.as_integer();
  }
  return 0;
}

Stage in_round(const Node& root, const Stage& stage, const Rounds& rounds, std::int64_t round) {
  Stage copy = stage;
  copy.origin.round = round;
  const SourceSpan where = stage.node.find("tag")->where;
  copy.node.set("tag", text_node(round_tag(tag_of(stage), round), where));
  if (round > 1 && !is_held_out(root, stage)) {
    copy.node.set("seed", integer_node(round_seed(seed_of(root, stage.node), round), where));
  }
  auto* inputs = inputs_of(copy.node);
  if (inputs == nullptr) return copy;
  const auto at = [&](const std::string& tag, std::int64_t number) { return rounds.contains(tag) ? round_tag(tag, number) : tag; };
  for (Field& input : *inputs) {
    auto tags = named_tags(input.value);
    if (round > 1 && tags == std::vector{rounds.start}) {
      tags.clear();
      for (const auto& tag : rounds.next) tags.push_back(at(tag, round - 1));
      if (!is_sampler(stage)) tags.resize(1);
    } else {
      for (auto& tag : tags) tag = at(tag, round);
    }
    if (tags.empty()) continue;
    const bool one = tags.size() == 1 && (input.value.is_string() || round > 1);
    input.value = one ? text_node(tags.front(), input.value.where) : list_node(tags, input.value.where);
  }
  return copy;
}

// A stage outside: it names the last round's stages; a metric's lists name those of all rounds.
Stage outside_rounds(const Stage& stage, const Rounds& rounds) {
  Stage copy = stage;
  auto* inputs = inputs_of(copy.node);
  if (inputs == nullptr) return copy;
  for (Field& input : *inputs) {
    const bool all = is_metric(stage) && input.value.is_list();
    std::vector<std::string> tags;
    for (const auto& tag : named_tags(input.value)) {
      if (!rounds.contains(tag)) {
        tags.push_back(tag);
        continue;
      }
      for (std::int64_t round = all ? 1 : rounds.count; round <= rounds.count; ++round) tags.push_back(round_tag(tag, round));
    }
    if (tags.empty()) continue;
    input.value = input.value.is_string() ? text_node(tags.front(), input.value.where) : list_node(tags, input.value.where);
  }
  return copy;
}

std::vector<Stage> make_rounds(const Node& root, const std::vector<Stage>& stages, const Rounds& rounds) {
  std::vector<Stage> made;
  for (const Stage& stage : stages) {
    if (!rounds.contains(tag_of(stage))) {
      made.push_back(outside_rounds(stage, rounds));
      continue;
    }
    for (std::int64_t round = 1; round <= rounds.count; ++round) made.push_back(in_round(root, stage, rounds, round));
  }
  return made;
}

// --- sweep

struct Axis {
  std::string name;    // "pgraft.intermediate_step", "trainer.sft.seed", "seed"
  std::string target;  // a tag of the file, a type, or "": all stages without a seed of their own
  std::string option;
  std::vector<Node> values;
  std::vector<std::string> suffixes;  // of tags, one a value

  bool names(const Stage& stage) const { return target == stage.origin.tag || target == text_of(stage.node, "type"); }
};

std::string suffix_of(const Node& value) {
  if (value.shape != Node::Shape::scalar) return "";
  std::string text = value.is_string() ? value.scalar.as_string() : to_json(value.scalar);
  for (char& c : text) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    if (!allowed) c = '_';
  }
  return text.size() <= 24 ? text : "";
}

// The values' texts; the values' positions where a text would be empty, too long, or that of two values.
std::vector<std::string> suffixes_of(const std::vector<Node>& values) {
  std::vector<std::string> texts;
  for (const Node& value : values) texts.push_back(suffix_of(value));
  const std::set<std::string> distinct(texts.begin(), texts.end());
  if (distinct.size() == texts.size() && !distinct.contains("")) return texts;
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i] = std::to_string(i + 1);
  return texts;
}

class SweepReader {
 public:
  SweepReader(const std::vector<Stage>& stages, Problems& problems) : stages_(stages), problems_(problems) {}

  std::vector<Axis> read(const Node& table) {
    for (const Field& field : table.fields) {
      if (field.key == "seed") {
        add_axis("", field);
      } else if (!field.value.is_table()) {
        problems_.add(field.where,
                      fmt::format("[sweep]: '{0}' is a table of lists, {0}.<option> = [...]; found {1}", field.key, field.value.found()));
      } else if (check_target(field)) {
        for (const Field& option : field.value.fields) add_axis(field.key, option);
      }
    }
    return std::move(axes_);
  }

 private:
  bool check_target(const Field& field) {
    std::vector<std::string> known;
    for (const Stage& stage : stages_) {
      for (const auto& name : {stage.origin.tag, text_of(stage.node, "type")}) {
        if (!name.empty() && std::ranges::find(known, name) == known.end()) known.push_back(name);
      }
    }
    if (std::ranges::find(known, field.key) != known.end()) return true;
    problems_.add(field.where, fmt::format("[sweep]: '{}' is neither a stage's tag nor a type of the stages{}", field.key,
                                           did_you_mean(field.key, known)));
    return false;
  }

  void add_axis(const std::string& target, const Field& option) {
    const std::string name = target.empty() ? option.key : target + "." + option.key;
    if (!option.value.is_list() || option.value.list.empty()) {
      problems_.add(option.where, fmt::format("[sweep]: '{}' is a list of at least one value; found {}", name,
                                              option.value.is_list() ? "an empty list" : option.value.found()));
      return;
    }
    std::set<std::string> seen;
    for (const Node& value : option.value.list) {
      if (seen.insert(to_json(value.to_value())).second) continue;
      problems_.add(option.where, fmt::format("[sweep]: '{}' has the value {} twice", name, to_json(value.to_value())));
      return;
    }
    axes_.push_back({name, target, option.key, option.value.list, suffixes_of(option.value.list)});
  }

  const std::vector<Stage>& stages_;
  Problems& problems_;
  std::vector<Axis> axes_;
};

using Assignment = std::map<std::size_t, std::size_t>;  // axis -> value

class Sweep {
 public:
  Sweep(const Node& root, const std::vector<Stage>& stages, std::vector<Axis> axes) : root_(root), stages_(stages), axes_(std::move(axes)) {
    for (const Stage& stage : stages_) by_tag_.emplace(tag_of(stage), &stage);
  }

  // The stages with all copies; nullopt where there are more than kMaxStages.
  std::optional<std::vector<Stage>> make() {
    std::vector<Stage> made;
    for (const Stage& stage : stages_) {
      for (const auto& assignment : assignments(axes_of(tag_of(stage)), {})) {
        made.push_back(copy(stage, assignment));
        if (made.size() > kMaxStages) return std::nullopt;
      }
    }
    return made;
  }

 private:
  // Whether the axis sets an option or the seed of the stage itself.
  bool sets(const Axis& axis, const Stage& stage) const {
    if (!axis.target.empty()) return axis.names(stage);
    const bool seeded = stage.has_seed || std::ranges::any_of(axes_, [&](const Axis& other) {
                          return !other.target.empty() && other.option == "seed" && other.names(stage);
                        });
    return !seeded && !is_metric(stage);
  }

  // The axes on which a stage depends.
  const std::set<std::size_t>& axes_of(const std::string& tag) {
    const auto known = depends_.find(tag);
    if (known != depends_.end()) return known->second;
    auto& axes = depends_[tag];  // empty while it is found, so that a cycle of inputs, which in_order() reports, ends
    const auto stage = by_tag_.find(tag);
    if (stage == by_tag_.end()) return axes;
    std::set<std::size_t> found;
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      if (sets(axes_[i], *stage->second)) found.insert(i);
    }
    for (const Field& input : inputs_of(stage->second->node)) {
      if (joins(*stage->second, input)) continue;
      for (const auto& before : named_tags(input.value)) {
        const auto axes_before = axes_of(before);
        found.insert(axes_before.begin(), axes_before.end());
      }
    }
    return depends_[tag] = found;
  }

  // Whether the input of a stage names all copies of the stages in its list.
  static bool joins(const Stage& stage, const Field& input) { return is_metric(stage) && input.value.is_list(); }

  // All assignments of the axes that agree with `given`; the first axis changes slowest.
  std::vector<Assignment> assignments(const std::set<std::size_t>& axes, const Assignment& given) const {
    std::vector<Assignment> all{{}};
    for (const std::size_t axis : axes) {
      std::vector<Assignment> longer;
      for (const auto& assignment : all) {
        for (std::size_t value = 0; value < axes_[axis].values.size(); ++value) {
          if (const auto fixed = given.find(axis); fixed != given.end() && fixed->second != value) continue;
          longer.push_back(assignment);
          longer.back()[axis] = value;
          if (longer.size() > kMaxStages + 1) return longer;
        }
      }
      all = std::move(longer);
    }
    return all;
  }

  std::string tag_at(const std::string& tag, const Assignment& assignment) const {
    std::string text = tag;
    for (const auto& [axis, value] : assignment) text += "-" + axes_[axis].suffixes[value];
    return text;
  }

  Stage copy(const Stage& stage, const Assignment& assignment) {
    Stage made = stage;
    if (assignment.empty() && inputs_of(made.node) == nullptr) return made;
    if (!assignment.empty()) {
      const SourceSpan where = stage.node.find("tag")->where;
      made.node.set("tag", text_node(tag_at(tag_of(stage), assignment), where));
    }
    for (const auto& [axis, value] : assignment) {
      made.origin.settings[axes_[axis].name] = axes_[axis].values[value].to_value();
      if (sets(axes_[axis], stage)) set(made, axes_[axis], axes_[axis].values[value]);
    }
    auto* inputs = inputs_of(made.node);
    if (inputs == nullptr) return made;
    for (Field& input : *inputs) {
      std::vector<std::string> tags;
      for (const auto& tag : named_tags(input.value)) {
        if (!by_tag_.contains(tag)) {
          tags.push_back(tag);
          continue;
        }
        for (const auto& one : assignments(axes_of(tag), assignment)) tags.push_back(tag_at(tag, one));
      }
      if (tags.empty()) continue;
      input.value = input.value.is_string() ? text_node(tags.front(), input.value.where) : list_node(tags, input.value.where);
    }
    return made;
  }

  void set(Stage& stage, const Axis& axis, const Node& value) const {
    if (axis.option != "seed") {
      stage.node.table("options", value.where).set(axis.option, value);
      return;
    }
    const bool later_round = stage.origin.round > 1 && !is_held_out(root_, stage);
    const bool whole = value.shape == Node::Shape::scalar && value.scalar.is_integer();
    stage.node.set("seed",
                   later_round && whole ? integer_node(round_seed(value.scalar.as_integer(), stage.origin.round), value.where) : value);
  }

  const Node& root_;
  const std::vector<Stage>& stages_;
  std::vector<Axis> axes_;
  std::map<std::string, const Stage*> by_tag_;
  std::map<std::string, std::set<std::size_t>> depends_;
};

// The table `key` of the file, or null. Adds a problem if the value is no table.
const Node* table_of(const Node& root, const std::string& key, Problems& problems) {
  const Field* field = root.find(key);
  if (field == nullptr) return nullptr;
  if (field->value.is_table()) return &field->value;
  problems.add(field->where, fmt::format("'{0}' is a table, [{0}]; found {1}", key, field->value.found()));
  return nullptr;
}

}  // namespace

std::int64_t round_seed(std::int64_t seed, std::int64_t round) {
  if (round <= 1) return seed;
  Sha256 hash;
  hash.update(fmt::format("round {} of seed {}", round, seed));
  const auto bytes = hash.finish();
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8 | bytes[i];
  return static_cast<std::int64_t>(number >> 1);
}

Expanded expand(const Node& root, Problems& problems) {
  Expanded expanded{root, {}};
  auto& fields = expanded.root.fields;
  std::erase_if(fields, [](const Field& field) { return field.key == "sweep" || field.key == "rounds"; });
  const auto section = std::ranges::find(fields, "stage", &Field::key);
  if (section == fields.end() || !section->value.is_list()) return expanded;
  std::vector<Stage> stages;
  for (const Node& node : section->value.list)
    stages.push_back({node, {text_of(node, "tag"), Value::Map{}, 0}, node.find("seed") != nullptr});
  if (const Node* table = table_of(root, "rounds", problems)) {
    const Field* models = root.find("models");
    const auto rounds = RoundsReader(*table, stages, models == nullptr ? nullptr : &models->value, problems).read();
    if (rounds) stages = make_rounds(root, stages, *rounds);
  }
  if (const Node* table = table_of(root, "sweep", problems)) {
    auto made = Sweep(root, stages, SweepReader(stages, problems).read(*table)).make();
    if (made) {
      stages = std::move(*made);
    } else {
      problems.add(table->where, fmt::format("[sweep]: makes more than {} stages", kMaxStages));
    }
  }
  section->value.list.clear();
  for (Stage& stage : stages) {
    if (const auto tag = tag_of(stage); !tag.empty()) expanded.origins.emplace(tag, stage.origin);
    section->value.list.push_back(std::move(stage.node));
  }
  return expanded;
}

}  // namespace espalier::config
