// [rounds]: stages that are repeated, each time from the model of the round before.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/base/digest.h"
#include "runtime/base/suggest.h"
#include "runtime/config/checks.h"
#include "runtime/config/expand.h"
#include "runtime/config/stage_nodes.h"

namespace espalier::config {
namespace {

constexpr std::int64_t kMaxRounds = 100;

// Whether an input follows the rounds: a trainer's reference is the same model in all of them.
bool follows(const Field& input) { return input.key != "reference"; }

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
  RoundsReader(const Node& table, const std::vector<StageNode>& stages, const Node* models, Problems& problems)
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
    for (const StageNode& stage : stages_) tags.push_back(tag_of(stage));
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
    const bool taken = std::ranges::any_of(stages_, [&](const StageNode& stage) {
      return rounds.contains(tag_of(stage)) && std::ranges::any_of(inputs_of(stage.node), [&](const Field& input) {
               return follows(input) && named_tags(input.value) == std::vector{rounds.start};
             });
    });
    if (!taken) {
      problems_.add(
          table_.find("start")->where,
          fmt::format("[rounds]: no stage of the rounds has the input '{}' alone, so that all rounds would be the same", rounds.start));
    }
  }

  const Node& table_;
  const std::vector<StageNode>& stages_;
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

StageNode in_round(const Node& root, const StageNode& stage, const Rounds& rounds, std::int64_t round) {
  StageNode copy = stage;
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
    if (round > 1 && follows(input) && tags == std::vector{rounds.start}) {
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
StageNode outside_rounds(const StageNode& stage, const Rounds& rounds) {
  StageNode copy = stage;
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

std::vector<StageNode> make_rounds(const Node& root, const Node& table, const std::vector<StageNode>& stages, Problems& problems) {
  const Field* models = root.find("models");
  const auto read = RoundsReader(table, stages, models == nullptr ? nullptr : &models->value, problems).read();
  if (!read) return stages;
  const Rounds& rounds = *read;
  std::vector<StageNode> made;
  for (const StageNode& stage : stages) {
    if (!rounds.contains(tag_of(stage))) {
      made.push_back(outside_rounds(stage, rounds));
      continue;
    }
    for (std::int64_t round = 1; round <= rounds.count; ++round) made.push_back(in_round(root, stage, rounds, round));
  }
  return made;
}

}  // namespace espalier::config
