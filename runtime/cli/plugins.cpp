#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/base/value.h"
#include "runtime/cli/command.h"
#include "runtime/config/resolve.h"
#include "runtime/plugin/catalog.h"
#include "runtime/sdk/kinds.h"
#include "runtime/tensor/failure.h"

namespace espalier::cli {
namespace {

std::string type_of(const PluginEntry& entry) { return entry.kind + "." + entry.name; }

const char* role_name(const OptionInfo& option) {
  switch (option.role) {
    case OptionRole::keyed:
      return option.keyed_at_default ? "keyed" : "keyed unless default";
    case OptionRole::view:
      return "view";
    case OptionRole::operational:
      return "operational";
  }
  return "";
}

Value to_value(const OptionInfo& option) {
  Value::List choices(option.choices.begin(), option.choices.end());
  Value value(Value::Map{{"name", option.name},
                         {"type", option.type},
                         {"required", option.required},
                         {"bounds", option.bounds},
                         {"choices", std::move(choices)},
                         {"role", role_name(option)},
                         {"doc", option.doc}});
  if (!option.required) value["default"] = option.default_value;
  return value;
}

std::vector<InputInfo> inputs_of(const PluginEntry& entry) {
  const KindInfo* kind = find_kind(entry.kind);
  if (kind == nullptr) return {};
  return named<PluginError>(type_of(entry) + ": its inputs cannot be read", [&] { return declared_inputs(*kind, *plugin::make(entry)); });
}

Value steps_value(const std::vector<Step>& steps) {
  Value::List list;
  for (const Step& step : steps) list.push_back(step.to_value());
  return list;
}

Value to_value(const InputInfo& input) {
  Value value(Value::Map{{"name", input.name},
                         {"takes", input.examples ? "examples" : result_name(input.takes)},
                         {"of", input.of},
                         {"process", input.process},
                         {"required", input.required},
                         {"many", input.many},
                         {"records", steps_value(input.records)},
                         {"doc", input.doc}});
  if (input.transitions) value["transitions"] = steps_value(*input.transitions);
  return value;
}

// What is read of the trajectories of an input besides their samples, with the options' defaults.
std::string reads_text(const InputInfo& input) {
  std::string steps;
  for (const Step& step : input.records) steps += (steps.empty() ? "" : ", ") + step.to_string();
  std::string text = steps.empty() ? "" : "states at " + steps;
  if (input.transitions) text += (text.empty() ? "" : "; ") + std::string("transitions");
  return text;
}

Value describe(const PluginEntry& entry) {
  Value::List options;
  for (const OptionInfo& option : config::describe_options(entry)) options.push_back(to_value(option));
  Value::List inputs;
  for (const InputInfo& input : inputs_of(entry)) inputs.push_back(to_value(input));
  const KindInfo* kind = find_kind(entry.kind);
  return Value::Map{{"type", type_of(entry)},
                    {"doc", entry.doc},
                    {"gives", kind == nullptr ? "" : result_name(kind->gives)},
                    {"numerics_version", entry.numerics_version},
                    {"library", entry.library},
                    {"inputs", std::move(inputs)},
                    {"options", std::move(options)}};
}

// `as_code`: marks a value in Markdown.
std::string default_text(const OptionInfo& option, const char* as_code = "") {
  if (option.required) return "required";
  return option.default_value.is_null() ? "none" : as_code + to_json(option.default_value) + as_code;
}

std::string as_text(const PluginEntry& entry) {
  std::string text = fmt::format("{}\n{}\n\n", type_of(entry), entry.doc);
  if (const KindInfo* kind = find_kind(entry.kind)) text += fmt::format("gives    {}\n", result_name(kind->gives));
  text += fmt::format("numerics version {}\nlibrary  {}\n", entry.numerics_version, entry.library);
  const auto inputs = inputs_of(entry);
  if (!inputs.empty()) text += "\ninputs\n";
  for (const InputInfo& input : inputs) {
    const auto reads = reads_text(input);
    text += fmt::format("  {} ({}){}\n      {}{}\n", input.name, input.takes_text(), input.required ? "" : "  optional", input.doc,
                        reads.empty() ? "" : " Reads " + reads + ".");
  }
  const auto options = config::describe_options(entry);
  text += options.empty() ? "\nno options\n" : "\noptions\n";
  for (const OptionInfo& option : options) {
    text += fmt::format("  {} ({}{}{}) = {}  [{}]\n      {}\n", option.name, option.type, option.bounds.empty() ? "" : ", ", option.bounds,
                        default_text(option), role_name(option), option.doc);
  }
  return text;
}

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

std::string as_markdown(const PluginEntry& entry) {
  std::string text = fmt::format("# {}\n\n{}\n\n", type_of(entry), entry.doc);
  if (const KindInfo* kind = find_kind(entry.kind)) {
    text += fmt::format("Gives {}.\n\n| input | takes | required | reads | meaning |\n|---|---|---|---|---|\n", result_name(kind->gives));
    for (const InputInfo& input : inputs_of(entry)) {
      text += fmt::format("| `{}` | {} | {} | {} | {} |\n", input.name, input.takes_text(), input.required ? "yes" : "no",
                          reads_text(input), cell(input.doc));
    }
    text += "\n";
  }
  const auto options = config::describe_options(entry);
  if (options.empty()) return text + "It has no options.\n";
  text += "| option | type | default | bounds | role | meaning |\n|---|---|---|---|---|---|\n";
  for (const OptionInfo& option : options) {
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", option.name, option.type, cell(default_text(option, "`")),
                        cell(option.bounds), role_name(option), cell(option.doc));
  }
  return text;
}

const PluginEntry& find_entry(const plugin::Catalog& catalog, const std::string& type) {
  const auto& entries = catalog.entries();
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const PluginEntry& entry) { return type_of(entry) == type; });
  if (found == entries.end()) catalog.expect_not_refused(type);
  if (found == entries.end()) throw ConfigError(fmt::format("no plugin '{}'{}", type, did_you_mean(type, catalog.types())));
  return *found;
}

int list(const plugin::Catalog& catalog, bool json) {
  Value::List described;
  std::string text;
  for (const std::string& type : catalog.types()) {
    const PluginEntry& entry = find_entry(catalog, type);
    described.push_back(
        Value::Map{{"type", type}, {"doc", entry.doc}, {"numerics_version", entry.numerics_version}, {"library", entry.library}});
    text += fmt::format("{:<28} {}\n", type, entry.doc);
  }
  for (const plugin::Refusal& refusal : catalog.refusals()) {
    described.push_back(Value::Map{{"type", refusal.type}, {"library", refusal.library}, {"refused", refusal.reason}});
    text += fmt::format("{:<28} {}\n", "refused", refusal.reason);
  }
  print(json ? to_json(described, 2) + "\n" : text);
  return 0;
}

}  // namespace

int plugins(const Args& args) {
  CommonOptions common;
  std::string action;
  std::string type;
  bool markdown = false;
  Arguments arguments("plugins list | plugins info <kind.name> [options]",
                      "Lists the plugins, and what was refused and why; or one's inputs and options.");
  arguments.positional("list or info", action);
  arguments.positional("kind.name", type, false);
  add_plugin_options(arguments, common);
  arguments.flag("markdown", markdown, "info: as a page of docs/reference");
  if (!arguments.parse(args)) return 0;
  if (action != "list" && action != "info") {
    throw ConfigError(fmt::format("unknown action '{}'{}", action, did_you_mean(action, {"list", "info"})));
  }
  if (action == "list" && !type.empty()) throw ConfigError(fmt::format("'plugins list' takes no plugin; found '{}'", type));
  if (action == "info" && type.empty()) throw ConfigError("'plugins info' needs a plugin, kind.name; 'espalier plugins list' tells them");

  const auto catalog = plugin::load_catalog(common.plugin_folders());
  if (action == "list") return list(catalog, common.json);
  const PluginEntry& entry = find_entry(catalog, type);
  print(common.json ? to_json(describe(entry), 2) + "\n" : markdown ? as_markdown(entry) : as_text(entry));
  return 0;
}

}  // namespace espalier::cli
