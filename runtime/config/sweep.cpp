// [sweep]: copies of stages for each value of an option or a seed.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "runtime/base/suggest.h"
#include "runtime/config/expand.h"
#include "runtime/config/stage_nodes.h"

namespace espalier::config {
namespace {

constexpr std::size_t kMaxStages = 4096;

struct Axis {
  std::string name;    // "pgraft.intermediate_step", "trainer.sft.seed", "seed"
  std::string target;  // a tag of the file, a type, or "": all stages without a seed of their own
  std::string option;
  std::vector<Node> values;
  std::vector<std::string> suffixes;  // of tags, one a value

  bool names(const StageNode& stage) const { return target == stage.origin.tag || target == text_of(stage.node, "type"); }
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
  SweepReader(const std::vector<StageNode>& stages, Problems& problems) : stages_(stages), problems_(problems) {}

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
    for (const StageNode& stage : stages_) {
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

  const std::vector<StageNode>& stages_;
  Problems& problems_;
  std::vector<Axis> axes_;
};

using Assignment = std::map<std::size_t, std::size_t>;  // axis -> value

class Sweep {
 public:
  Sweep(const Node& root, const std::vector<StageNode>& stages, std::vector<Axis> axes)
      : root_(root), stages_(stages), axes_(std::move(axes)) {
    for (const StageNode& stage : stages_) by_tag_.emplace(tag_of(stage), &stage);
  }

  // The stages with all copies; nullopt where there are more than kMaxStages.
  std::optional<std::vector<StageNode>> make() {
    std::vector<StageNode> made;
    for (const StageNode& stage : stages_) {
      for (const auto& assignment : assignments(axes_of(tag_of(stage)), {})) {
        made.push_back(copy(stage, assignment));
        if (made.size() > kMaxStages) return std::nullopt;
      }
    }
    return made;
  }

 private:
  // Whether the axis sets an option or the seed of the stage itself.
  bool sets(const Axis& axis, const StageNode& stage) const {
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
  static bool joins(const StageNode& stage, const Field& input) { return is_metric(stage) && input.value.is_list(); }

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

  StageNode copy(const StageNode& stage, const Assignment& assignment) {
    StageNode made = stage;
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

  void set(StageNode& stage, const Axis& axis, const Node& value) const {
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
  const std::vector<StageNode>& stages_;
  std::vector<Axis> axes_;
  std::map<std::string, const StageNode*> by_tag_;
  std::map<std::string, std::set<std::size_t>> depends_;
};

}  // namespace

std::vector<StageNode> make_sweep(const Node& root, const Node& table, const std::vector<StageNode>& stages, Problems& problems) {
  auto made = Sweep(root, stages, SweepReader(stages, problems).read(table)).make();
  if (made) return std::move(*made);
  problems.add(table.where, fmt::format("[sweep]: makes more than {} stages", kMaxStages));
  return stages;
}

}  // namespace espalier::config
