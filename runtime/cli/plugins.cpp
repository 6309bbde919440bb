#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/base/value.h"
#include "runtime/cli/command.h"
#include "runtime/config/resolve.h"
#include "runtime/plugin/catalog.h"
#include "runtime/sdk/kinds.h"

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

Value inputs_of(const PluginEntry& entry) {
  Value::List inputs;
  const KindInfo* kind = find_kind(entry.kind);
  if (kind == nullptr) return inputs;
  for (const Port& port : ports_of(*kind, *plugin::make(entry))) {
    inputs.push_back(Value::Map{{"name", port.name}, {"takes", result_name(port.takes)}, {"required", port.required}, {"many", port.many}});
  }
  return inputs;
}

Value describe(const PluginEntry& entry) {
  Value::List options;
  for (const OptionInfo& option : config::describe_options(entry)) options.push_back(to_value(option));
  const KindInfo* kind = find_kind(entry.kind);
  return Value::Map{{"type", type_of(entry)},
                    {"doc", entry.doc},
                    {"takes", entry.takes},
                    {"gives", kind == nullptr ? "" : result_name(kind->gives)},
                    {"numerics_version", entry.numerics_version},
                    {"library", entry.library},
                    {"inputs", inputs_of(entry)},
                    {"options", std::move(options)}};
}

std::string default_text(const OptionInfo& option) { return option.required ? "required" : to_json(option.default_value); }

std::string input_text(const Port& port) {
  return fmt::format("{}: {}{}{}", port.name, result_name(port.takes), port.many ? ", one or more" : "", port.required ? "" : ", optional");
}

std::string as_text(const PluginEntry& entry) {
  std::string text = fmt::format("{}\n{}\n\n", type_of(entry), entry.doc);
  if (!entry.takes.empty()) text += fmt::format("takes    {}\n", entry.takes);
  if (const KindInfo* kind = find_kind(entry.kind)) {
    for (const Port& port : ports_of(*kind, *plugin::make(entry))) text += fmt::format("input    {}\n", input_text(port));
    text += fmt::format("gives    {}\n", result_name(kind->gives));
  }
  text += fmt::format("numerics version {}\nlibrary  {}\n", entry.numerics_version, entry.library);
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
  if (!entry.takes.empty()) text += fmt::format("Takes `{}`. ", entry.takes);
  if (const KindInfo* kind = find_kind(entry.kind)) {
    text += fmt::format("Gives {}.\n\n| input | takes | required |\n|---|---|---|\n", result_name(kind->gives));
    for (const Port& port : ports_of(*kind, *plugin::make(entry))) {
      text += fmt::format("| `{}` | {}{} | {} |\n", port.name, result_name(port.takes), port.many ? ", one or more" : "",
                          port.required ? "yes" : "no");
    }
    text += "\n";
  }
  const auto options = config::describe_options(entry);
  if (options.empty()) return text + "It has no options.\n";
  text += "| option | type | default | bounds | role | meaning |\n|---|---|---|---|---|---|\n";
  for (const OptionInfo& option : options) {
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", option.name, option.type,
                        option.required ? "required" : "`" + cell(to_json(option.default_value)) + "`", cell(option.bounds),
                        role_name(option), cell(option.doc));
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
    described.push_back(Value::Map{{"type", type},
                                   {"doc", entry.doc},
                                   {"takes", entry.takes},
                                   {"numerics_version", entry.numerics_version},
                                   {"library", entry.library}});
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
