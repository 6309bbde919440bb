#include "runtime/sdk/inputs.h"

#include <algorithm>

#include "runtime/base/errors.h"

namespace espalier {

const char* result_name(ResultKind kind) {
  switch (kind) {
    case ResultKind::trajectories:
      return "trajectories";
    case ResultKind::scores:
      return "scores";
    case ResultKind::selection:
      return "selection";
    case ResultKind::model:
      return "model";
    case ResultKind::findings:
      return "findings";
  }
  return "";
}

std::set<std::int64_t> InputInfo::recorded_steps(std::int64_t num_steps, bool noise_is_drawn) const {
  std::set<std::int64_t> steps;
  for (const auto& step : records) steps.insert(step.of(num_steps));
  if (!transitions) return steps;
  std::vector<std::int64_t> from;
  for (const auto& step : *transitions) from.push_back(step.of(num_steps));
  for (std::int64_t step = 1; transitions->empty() && step <= num_steps; ++step) from.push_back(step);
  for (const auto step : from) {
    if (step < num_steps || !noise_is_drawn) steps.insert(step);
    if (step > 0) steps.insert(step - 1);
  }
  return steps;
}

std::string InputInfo::takes_text() const {
  std::string text = examples ? "noises of trajectories" : result_name(takes);
  if (takes == ResultKind::trajectories && !of.empty()) text += " of " + of + " samples";
  if (takes == ResultKind::model && !of.empty()) text += " with the role " + of;
  if (takes == ResultKind::findings && !of.empty()) text += " of " + of;
  if (!process.empty()) text += (of.empty() ? " of the process " : ", of the process ") + process;
  if (origin == Origin::sampled) text += " of a sampler";
  if (origin == Origin::inverted) text += " of a noise corrector";
  if (many) text += ", one or more";
  return text;
}

namespace {

std::string kind_text(ResultKind takes, bool examples) { return examples ? "examples" : result_name(takes); }

}  // namespace

Inputs::Declaration Inputs::declare(const std::string& name, ResultKind takes, bool examples, const std::string& doc) {
  auto found = std::find_if(infos_.begin(), infos_.end(), [&](const InputInfo& info) { return info.name == name; });
  if (found == infos_.end()) {
    InputInfo info;
    info.name = name;
    info.takes = takes;
    info.examples = examples;
    found = infos_.insert(infos_.end(), std::move(info));
  } else if (found->takes != takes || found->examples != examples) {
    throw InternalError("the input '" + name + "' is declared as " + kind_text(found->takes, found->examples) + " and as " +
                        kind_text(takes, examples));
  }
  if (!doc.empty()) found->doc = doc;
  return Declaration(*found);
}

Inputs::Declaration Inputs::model(const std::string& name, const std::string& doc) { return declare(name, ResultKind::model, false, doc); }

Inputs::Declaration Inputs::trajectories(const std::string& name, const std::string& doc) {
  return declare(name, ResultKind::trajectories, false, doc);
}

Inputs::Declaration Inputs::scores(const std::string& name, const std::string& doc) {
  return declare(name, ResultKind::scores, false, doc);
}

Inputs::Declaration Inputs::selection(const std::string& name, const std::string& doc) {
  return declare(name, ResultKind::selection, false, doc);
}

Inputs::Declaration Inputs::findings(const std::string& name, const std::string& doc) {
  return declare(name, ResultKind::findings, false, doc);
}

Inputs::Declaration Inputs::examples(const std::string& name, const std::string& doc) {
  return declare(name, ResultKind::trajectories, true, doc);
}

void Inputs::Declaration::expect(bool right, const char* what) const {
  if (!right) throw InternalError("the input '" + info_.name + "' takes " + kind_text(info_.takes, info_.examples) + ", which " + what);
}

Inputs::Declaration& Inputs::Declaration::of(const std::string& kind) {
  expect(info_.takes != ResultKind::scores && info_.takes != ResultKind::selection, "have no kind of sample and no role");
  info_.of = kind;
  return *this;
}

Inputs::Declaration& Inputs::Declaration::process(const std::string& name) {
  expect(info_.takes == ResultKind::model, "have no noise process of their own");
  info_.process = name;
  return *this;
}

Inputs::Declaration& Inputs::Declaration::sampled() {
  expect(info_.takes == ResultKind::trajectories, "are no trajectories");
  info_.origin = InputInfo::Origin::sampled;
  return *this;
}

Inputs::Declaration& Inputs::Declaration::inverted() {
  expect(info_.takes == ResultKind::trajectories, "are no trajectories");
  info_.origin = InputInfo::Origin::inverted;
  return *this;
}

Inputs::Declaration& Inputs::Declaration::optional() {
  info_.required = false;
  return *this;
}

Inputs::Declaration& Inputs::Declaration::many() {
  info_.many = true;
  return *this;
}

Inputs::Declaration& Inputs::Declaration::records(const std::vector<Step>& steps) {
  expect(info_.takes != ResultKind::model && info_.takes != ResultKind::findings, "has no recorded steps");
  info_.records.insert(info_.records.end(), steps.begin(), steps.end());
  return *this;
}

Inputs::Declaration& Inputs::Declaration::transitions(const std::vector<Step>& from) {
  expect(info_.takes != ResultKind::model && info_.takes != ResultKind::findings, "has no transitions");
  info_.transitions = from;
  return *this;
}

Inputs::Declaration& Inputs::Declaration::excludes(const std::string& other) {
  info_.excludes.push_back(other);
  return *this;
}

}  // namespace espalier
