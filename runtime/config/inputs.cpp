#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/config/checks.h"
#include "runtime/tensor/failure.h"

namespace espalier::config {
namespace {

using Folders = std::map<std::string, ModelEntry>;

const Draft* find_draft(const std::vector<Draft>& drafts, const std::string& tag) {
  const auto found = std::find_if(drafts.begin(), drafts.end(), [&](const Draft& draft) { return !tag.empty() && draft.spec.tag == tag; });
  return found == drafts.end() ? nullptr : &*found;
}

// Returns the tags that an input may name: of stages, and names of models, that give its kind of result.
std::vector<std::string> tags_giving(const std::vector<Draft>& drafts, const Folders& folders, const Draft& self, ResultKind result) {
  std::vector<std::string> tags;
  if (result == ResultKind::model) {
    for (const auto& [name, folder] : folders) tags.push_back(name);
  }
  for (const Draft& draft : drafts) {
    const bool gives = draft.spec.kind != nullptr && draft.spec.kind->gives == result;
    if (gives && !draft.spec.tag.empty() && &draft != &self) tags.push_back(draft.spec.tag);
  }
  return tags;
}

// Returns the tags of an input's value. Returns none and adds a problem if the value is neither a tag nor, for an input that takes many, a
// list of tags.
std::vector<std::string> read_tags(const Field& field, const InputInfo& info, const std::string& place, Problems& problems) {
  const Node& value = field.value;
  if (value.is_string()) return {value.scalar.as_string()};
  const char* const allowed = info.many ? "a tag or a list of tags" : "one tag";
  std::vector<std::string> tags;
  const bool all_strings =
      value.is_list() && std::all_of(value.list.begin(), value.list.end(), [](const Node& node) { return node.is_string(); });
  if (!info.many || !all_strings || value.list.empty()) {
    const std::string found = value.is_list() && value.list.empty() ? "an empty list" : value.found();
    problems.add(field.where, fmt::format("{} is {}; found {}", place, allowed, found));
    return tags;
  }
  for (const Node& node : value.list) tags.push_back(node.scalar.as_string());
  return tags;
}

void check_tag(const std::vector<Draft>& drafts, const Folders& folders, const Draft& self, const InputInfo& info, const std::string& tag,
               const SourceSpan& where, const std::string& place, Problems& problems) {
  const std::string wanted = result_name(info.takes);
  const std::vector<std::string> allowed = tags_giving(drafts, folders, self, info.takes);
  const std::string givers =
      allowed.empty() ? fmt::format("; no stage gives {}", wanted) : fmt::format("; allowed: {}", fmt::join(allowed, ", "));
  if (folders.contains(tag)) {
    if (info.takes != ResultKind::model) {
      problems.add(where, fmt::format("{} takes {}, but '{}' of [models] gives a model{}", place, wanted, tag, givers));
    }
    return;
  }
  if (tag == "domain" && find_draft(drafts, tag) == nullptr && info.takes == ResultKind::model) {
    problems.add(where, fmt::format("{} names 'domain', which was the model of the domain's options; models have names now: write\n"
                                    "  [models]\n  base = \"<the folder>\"\nand inputs = {{ {} = \"base\" }}",
                                    place, info.name));
    return;
  }
  const Draft* other = find_draft(drafts, tag);
  if (other == nullptr) {
    const std::string near = nearest_name(tag, allowed);
    problems.add(where,
                 fmt::format("{} names '{}', which is no stage{}", place, tag, near.empty() ? givers : "; did you mean '" + near + "'?"));
    return;
  }
  if (other == &self || other->spec.kind == nullptr) return;
  if (other->spec.kind->gives == info.takes) {
    if (info.takes != ResultKind::findings || info.of.empty() || other->spec.type == info.of) return;
    problems.add(where, fmt::format("{} takes what {} finds, but stage '{}' is {}", place, info.of, tag, other->spec.type));
    return;
  }
  problems.add(where, fmt::format("{} takes {}, but stage '{}' ({}) gives {}{}", place, wanted, tag, other->spec.type,
                                  result_name(other->spec.kind->gives), givers));
}

void read_input(std::vector<Draft>& drafts, const Folders& folders, Draft& draft, const InputInfo& info, const Node* inputs,
                Problems& problems) {
  const Field* field = inputs == nullptr ? nullptr : inputs->find(info.name);
  if (field == nullptr) {
    if (!info.required) return;
    const std::vector<std::string> allowed = tags_giving(drafts, folders, draft, info.takes);
    problems.add(
        inputs == nullptr ? draft.spec.where : inputs->where,
        fmt::format("{}: the input '{}' is missing: inputs = {{ {} = \"<tag>\" }} with a tag that gives {}{}", draft.subject, info.name,
                    info.name, result_name(info.takes), allowed.empty() ? "" : fmt::format("; allowed: {}", fmt::join(allowed, ", "))));
    return;
  }
  const std::string place = fmt::format("{}: the input '{}'", draft.subject, info.name);
  StageInput input{info, read_tags(*field, info, place, problems)};
  std::set<std::string> seen;
  for (const std::string& tag : input.tags) {
    check_tag(drafts, folders, draft, info, tag, field->where, place, problems);
    if (!seen.insert(tag).second) problems.add(field->where, fmt::format("{} names '{}' twice", place, tag));
  }
  draft.spec.inputs.push_back(std::move(input));
}

// Returns the stage that an input names; null if there is no such input or stage.
const Draft* input_of(const std::vector<Draft>& drafts, const Draft* draft, const std::string& name) {
  const StageInput* input = draft == nullptr ? nullptr : draft->spec.input(name);
  return input == nullptr || input->tags.empty() ? nullptr : find_draft(drafts, input->tags.front());
}

// Returns the stage whose samples a reward stage scores; null if the input is wrong.
const Draft* samples_of(const std::vector<Draft>& drafts, const Draft* reward) { return input_of(drafts, reward, "samples"); }

// Returns the stages of a cycle that can be reached from `start` through stages that are not done, in order. There is one, because every
// stage that is not done has an input that is not done.
std::vector<const Draft*> find_cycle(const std::vector<Draft>& drafts, const std::set<std::string>& done, const Draft& start) {
  std::vector<const Draft*> path;
  const Draft* at = &start;
  while (std::find(path.begin(), path.end(), at) == path.end()) {
    path.push_back(at);
    const Draft* next = nullptr;
    for (const StageInput& input : at->spec.inputs) {
      for (const std::string& tag : input.tags) {
        const Draft* candidate = done.count(tag) == 0 ? find_draft(drafts, tag) : nullptr;
        if (next == nullptr && candidate != nullptr) next = candidate;
      }
    }
    at = next;
  }
  path.erase(path.begin(), std::find(path.begin(), path.end(), at));
  return path;
}

bool is_ready(const Draft& draft, const std::vector<Draft>& drafts, const std::set<std::string>& done) {
  for (const StageInput& input : draft.spec.inputs) {
    for (const std::string& tag : input.tags) {
      if (done.count(tag) == 0 && find_draft(drafts, tag) != nullptr) return false;
    }
  }
  return true;
}

// Returns a stage's declared inputs; the usual ones of its kind if its plugin does not exist.
std::vector<InputInfo> inputs_of(const Draft& draft) {
  if (draft.spec.plugin) {
    return named<PluginError>(draft.spec.type + ": its inputs cannot be read",
                              [&] { return declared_inputs(*draft.spec.kind, *draft.spec.plugin); });
  }
  Inputs usual;
  draft.spec.kind->usual_inputs(usual);
  return usual.infos();
}

SourceSpan where_of(const Draft& draft, const InputInfo& info) { return draft.node->find("inputs")->value.find(info.name)->where; }

// Adds a problem for inputs that exclude one another.
void check_excluded(const Draft& draft, Problems& problems) {
  for (const StageInput& input : draft.spec.inputs) {
    for (const std::string& other : input.info.excludes) {
      if (draft.spec.input(other) == nullptr) continue;
      problems.add(draft.spec.where, fmt::format("{}: has both inputs '{}' and '{}'; {} takes one of them", draft.subject, other,
                                                 input.info.name, draft.spec.type));
    }
  }
}

}  // namespace

void read_inputs(std::vector<Draft>& drafts, const Folders& folders, Problems& problems) {
  for (Draft& draft : drafts) {
    if (draft.spec.kind == nullptr) continue;
    const Field* field = draft.node->find("inputs");
    if (field != nullptr && !field->value.is_table()) {
      problems.add(field->where,
                   fmt::format("{}: 'inputs' is a table, inputs = {{ name = \"tag\" }}; found {}", draft.subject, field->value.found()));
      continue;
    }
    const Node* inputs = field == nullptr ? nullptr : &field->value;
    std::vector<std::string> names;
    for (const InputInfo& info : inputs_of(draft)) {
      names.push_back(info.name);
      read_input(drafts, folders, draft, info, inputs, problems);
    }
    check_excluded(draft, problems);
    if (inputs == nullptr || !draft.spec.plugin) continue;
    for (const Field& given : inputs->fields) {
      if (std::find(names.begin(), names.end(), given.key) != names.end()) continue;
      problems.add(given.where,
                   fmt::format("{}: {} has no input '{}'{}", draft.subject, draft.spec.type, given.key, did_you_mean(given.key, names)));
    }
  }
}

namespace {

// Checks that the scores that a filter adds are of one stage's samples, and its options for them.
void check_mix(const std::vector<Draft>& drafts, const Draft& draft, Problems& problems) {
  const StageInput* scores = draft.spec.input("scores");
  if (draft.spec.kind == nullptr || draft.spec.kind->gives != ResultKind::selection || scores == nullptr) return;
  const Draft* chosen = samples_of(drafts, find_draft(drafts, scores->tags.front()));
  for (const auto& tag : scores->tags) {
    const Draft* other = samples_of(drafts, find_draft(drafts, tag));
    if (other == nullptr || chosen == nullptr || other == chosen) continue;
    problems.add(
        where_of(draft, scores->info),
        fmt::format("{}: the input 'scores' names '{}', of the samples of '{}', and '{}', of those of '{}'; all are of one stage's "
                    "samples",
                    draft.subject, scores->tags.front(), chosen->spec.tag, tag, other->spec.tag));
  }
  const FilterView& view = draft.spec.filter;
  const bool set =
      !view.weights.empty() || view.normalization != FilterView().normalization || view.normalize_over != FilterView().normalize_over;
  if (scores->tags.size() == 1 && set) {
    problems.add(draft.spec.where,
                 fmt::format("{}: weights and normalization are of several scores; the input 'scores' names one", draft.subject));
  } else if (!view.weights.empty() && view.weights.size() != scores->tags.size()) {
    problems.add(draft.spec.where,
                 fmt::format("{}: weights has {} numbers for {} scores", draft.subject, view.weights.size(), scores->tags.size()));
  }
}

}  // namespace

void check_chains(const std::vector<Draft>& drafts, Problems& problems) {
  for (const Draft& draft : drafts) {
    check_mix(drafts, draft, problems);
    const Draft* scored = samples_of(drafts, input_of(drafts, &draft, "scores"));
    const StageInput* selection = draft.spec.input("selection");
    const Draft* before = input_of(drafts, &draft, "selection");
    const Draft* chosen = samples_of(drafts, input_of(drafts, before, "scores"));
    if (scored != nullptr && chosen != nullptr && scored != chosen) {
      problems.add(
          where_of(draft, selection->info),
          fmt::format("{}: the input 'selection' names '{}', which chooses among the samples of '{}', but the input 'scores' is of those "
                      "of '{}'; both are of one stage's samples",
                      draft.subject, before->spec.tag, chosen->spec.tag, scored->spec.tag));
    }
    const Draft* profile = input_of(drafts, &draft, "profile");
    const Draft* profiled = samples_of(drafts, input_of(drafts, profile, "scores"));
    const Draft* used = chosen != nullptr ? chosen : scored;
    if (profiled == nullptr || used == nullptr || profiled == used) continue;
    problems.add(
        where_of(draft, draft.spec.input("profile")->info),
        fmt::format("{}: the input 'profile' names '{}', a profile of the samples of '{}', but it trains on those of '{}'; both are "
                    "of one stage's samples",
                    draft.subject, profile->spec.tag, profiled->spec.tag, used->spec.tag));
  }
}

void check_transitions(const std::vector<Draft>& drafts, Problems& problems) {
  for (const Draft& draft : drafts) {
    for (const StageInput& input : draft.spec.inputs) {
      const Draft* source = input.info.transitions ? input_of(drafts, &draft, input.info.name) : nullptr;
      while (source != nullptr && source->spec.kind != nullptr && source->spec.kind->gives != ResultKind::trajectories) {
        source = input_of(drafts, source, source->spec.input("scores") != nullptr ? "scores" : "samples");
      }
      if (source == nullptr || !source->spec.plugin) continue;
      const auto* sampler = source->spec.plugin.get_if<Sampler>();
      const std::string reason = sampler == nullptr ? "its steps have no density" : sampler->no_transition_law();
      if (reason.empty()) continue;
      problems.add(where_of(draft, input.info), fmt::format("{}: the input '{}' needs the law of each step given the state that it leaves; "
                                                            "stage '{}' ({}): {}",
                                                            draft.subject, input.info.name, source->spec.tag, source->spec.type, reason));
    }
  }
}

std::vector<StageSpec> in_order(const std::vector<Draft>& drafts, Problems& problems) {
  std::vector<StageSpec> ordered;
  std::multiset<std::int64_t> rounds;  // of the stages that are not placed
  for (const Draft& draft : drafts) {
    if (draft.spec.origin.round > 0) rounds.insert(draft.spec.origin.round);
  }
  std::set<const Draft*> placed;
  std::set<std::string> done;
  while (placed.size() < drafts.size()) {
    const Draft* next = nullptr;
    const Draft* early = nullptr;  // of a later round than one that is not complete
    for (const Draft& draft : drafts) {
      if (next != nullptr || placed.count(&draft) != 0 || !is_ready(draft, drafts, done)) continue;
      const bool waits = !rounds.empty() && draft.spec.origin.round > *rounds.begin();
      (waits ? early : next) = &draft;
    }
    if (next == nullptr) next = early;
    if (next != nullptr) {
      if (const auto round = rounds.find(next->spec.origin.round); round != rounds.end()) rounds.erase(round);
      ordered.push_back(next->spec);
      placed.insert(next);
      done.insert(next->spec.tag);
      continue;
    }
    const auto first = std::find_if(drafts.begin(), drafts.end(), [&](const Draft& draft) { return placed.count(&draft) == 0; });
    const std::vector<const Draft*> cycle = find_cycle(drafts, done, *first);
    std::string way;
    for (const Draft* draft : cycle) {
      way += "'" + draft->spec.tag + "' needs ";
      placed.insert(draft);
      done.insert(draft->spec.tag);  // so that each cycle is reported once, and the stages behind it are not
    }
    problems.add(cycle.front()->spec.where,
                 fmt::format("{}: its inputs form a cycle: {}'{}'", cycle.front()->subject, way, cycle.front()->spec.tag));
  }
  return ordered;
}

namespace {

// Checks that the trajectories are of the origin that the input takes (sampled or inverted), and that an input of training examples does
// not name trajectories that begin with a noise corrector's noise.
void check_trajectories(const Draft& draft, const StageInput& input, const StageSpec& source, Problems& problems) {
  const InputInfo& info = input.info;
  const std::string place = fmt::format("{}: the input '{}' names '{}' ({})", draft.subject, info.name, source.tag, source.type);
  const bool inverted = source.kind->from_examples;
  if (info.origin == InputInfo::Origin::sampled && inverted) {
    problems.add(where_of(draft, info), place + ", whose trajectories are inversions; it takes those of a sampler");
  }
  if (info.origin == InputInfo::Origin::inverted && !inverted) {
    problems.add(where_of(draft, info), place + ", whose trajectories are sampled; it takes those of a noise corrector");
  }
  if (info.examples && source.input("prior") != nullptr) {
    problems.add(where_of(draft, info),
                 place + ", which begins with a noise corrector's noise; name the inversions that the corrector learned from");
  }
}

void check_samples(const Draft& draft, const std::vector<Draft>& drafts, const Domain& domain, const std::string& domain_type,
                   Problems& problems) {
  for (const StageInput& input : draft.spec.inputs) {
    if (input.info.takes != ResultKind::trajectories) continue;
    if (!input.info.of.empty() && input.info.of != domain.sample_kind()) {
      problems.add(where_of(draft, input.info),
                   fmt::format("{}: the input '{}' takes samples of kind '{}', but {} gives '{}'", draft.subject, input.info.name,
                               input.info.of, domain_type, domain.sample_kind()));
    }
    for (const std::string& tag : input.tags) check_trajectories(draft, input, find_draft(drafts, tag)->spec, problems);
  }
}

// Reports a stage that needs examples (to invert them, or for its identity) of a domain that has only conditions.
void check_examples(const Draft& draft, const Domain& domain, Problems& problems) {
  const StageSpec& spec = draft.spec;
  if (domain.data().has_examples()) return;
  try {
    if (spec.kind->from_examples) domain.data().examples(spec.sampler.split);
    const auto* trainer = spec.plugin.get_if<Trainer>();
    const auto has = [&spec](const char* input) { return spec.input(input) != nullptr; };
    if (trainer != nullptr && !has("selection") && !has("scores") && !has("examples")) trainer->identity(domain);
    if (const auto* metric = spec.plugin.get_if<Metric>()) metric->identity(domain);
  } catch (const ConfigError& error) {
    problems.add(spec.where, fmt::format("{}: {}", draft.subject, error.what()));
  }
}

// Returns where the stage sets the option; the stage's own place where its file does not.
SourceSpan where_of_option(const Draft& draft, const std::string& option) {
  const Field* options = draft.node->find("options");
  const Field* field = options == nullptr ? nullptr : options->value.find(option);
  return field == nullptr ? draft.spec.where : field->where;
}

void check_options(const Draft& draft, const Domain& domain, Problems& problems) {
  const auto found =
      named<PluginError>(draft.spec.type + ": its check of the domain failed", [&] { return draft.spec.plugin->check_domain(domain); });
  for (const OptionProblem& problem : found) {
    problems.add(where_of_option(draft, problem.option), fmt::format("{}: {} {}", draft.subject, draft.spec.type, problem.message));
  }
}

}  // namespace

void check_against_domain(const std::vector<Draft>& drafts, const Domain& domain, const std::string& domain_type, Problems& problems) {
  const std::vector<std::string> splits = domain.data().splits();
  for (const Draft& draft : drafts) {
    const StageSpec& spec = draft.spec;
    check_samples(draft, drafts, domain, domain_type, problems);
    check_examples(draft, domain, problems);
    check_options(draft, domain, problems);
    const auto* filter = spec.plugin.get_if<Filter>();
    if (filter != nullptr && filter->needs_keys() && !domain.codec(nullptr)->has_canonical_keys()) {
      problems.add(draft.node->find("type")->where, fmt::format("{}: {} compares samples by their canonical keys, but {} gives none",
                                                                draft.subject, spec.type, domain_type));
    }
    const std::string& split = spec.sampler.split;
    if (spec.kind->gives == ResultKind::trajectories && std::find(splits.begin(), splits.end(), split) == splits.end()) {
      problems.add(where_of_option(draft, "split"),
                   fmt::format("{}: {} has no split '{}'{}", draft.subject, domain_type, split, did_you_mean(split, splits)));
    }
  }
}

}  // namespace espalier::config
