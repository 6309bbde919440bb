#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/config/checks.h"
#include "runtime/sdk/check.h"
#include "runtime/tensor/failure.h"

namespace espalier::config {

void read_options(Schema& schema, const Node* defaults, const Node* own, const SourceSpan& where, const std::string& subject,
                  Problems& problems) {
  Value merged;
  if (defaults != nullptr) merged = defaults->to_value();
  if (own != nullptr) {
    for (const Field& field : own->fields) merged[field.key] = field.value.to_value();
  }
  for (const OptionProblem& problem : schema.read(merged)) {
    const Field* field = own == nullptr ? nullptr : own->find(problem.option);
    if (field == nullptr && defaults != nullptr && defaults->find(problem.option) != nullptr) continue;
    problems.add(field == nullptr ? where : field->where, subject + " " + problem.message);
  }
}

void check_plugin(const Plugin& plugin, const SourceSpan& where, const std::string& subject, Problems& problems) {
  try {
    named<PluginError>(subject + "its check failed", [&] { plugin.check(); });
  } catch (const Error& error) {
    if (error.code() == ExitCode::stopped || error.code() == ExitCode::plugin) throw;
    problems.add(where, subject + error.what());
  }
}

void declare_own_options(Plugin& plugin, const std::string& type, Schema& schema) {
  const std::string who = type + ": its options cannot be read";
  try {
    named<PluginError>(who, [&] { plugin.options(schema); });
  } catch (const InternalError& error) {
    throw PluginError(who + ": " + error.what());
  }
  check_defaults(type, schema);
}

void declare_options(StageSpec& stage, Schema& schema) {
  if (stage.kind->samples()) stage.sampler.options(schema);
  if (stage.kind->from_examples) inversion_options(stage.sampler, stage.max_unconverged_fraction, schema);
  if (stage.kind->gives == ResultKind::scores) stage.reward.options(schema);
  if (stage.kind->gives == ResultKind::selection) stage.filter.options(schema);
  Schema own;
  declare_own_options(*stage.plugin, stage.type, own);
  const std::vector<OptionInfo> engine = schema.infos();
  for (const OptionInfo& info : own.infos()) {
    const bool taken = std::any_of(engine.begin(), engine.end(), [&](const OptionInfo& other) { return other.name == info.name; });
    if (taken)
      throw PluginError(fmt::format("{} declares the option '{}', which every {} has; rename it", stage.type, info.name, stage.kind->kind));
  }
  declare_own_options(*stage.plugin, stage.type, schema);
}

std::vector<OptionInfo> describe_options(const PluginEntry& entry) {
  StageSpec stage;
  stage.type = entry.kind + "." + entry.name;
  stage.kind = find_kind(entry.kind);
  stage.plugin = plugin::make(entry);
  Schema schema;
  if (stage.kind == nullptr) {
    declare_own_options(*stage.plugin, stage.type, schema);  // a domain
  } else {
    declare_options(stage, schema);
  }
  return schema.infos();
}

std::map<std::string, const Node*> check_defaults(const Node& root, const plugin::Catalog& catalog, Problems& problems) {
  std::map<std::string, const Node*> tables;
  const Field* section = root.find("defaults");
  if (section == nullptr) return tables;
  if (!section->value.is_table()) {
    problems.add(section->where, fmt::format("defaults is a table of tables, [defaults.\"kind.name\"]; found {}", section->value.found()));
    return tables;
  }
  for (const Field& field : section->value.fields) {
    const TypeName type(field.key);
    const KindInfo* kind = find_kind(type.kind);
    const PluginEntry* entry = catalog.find(type.kind, type.name);
    if (find_kind(field.key) != nullptr) {
      problems.add(field.where,
                   fmt::format("defaults: '{}' is no type; put the whole type in quotes, [defaults.\"{}.name\"]", field.key, field.key));
    } else if (field.key == "domain" || type.kind == "domain") {
      problems.add(field.where, "defaults are for stages; the domain's options stand in [domain.options]");
    } else if (kind == nullptr || entry == nullptr) {
      catalog.expect_not_refused(field.key);
      problems.add(field.where, fmt::format("defaults: unknown type '{}'{}", field.key, did_you_mean(field.key, catalog.types())));
    } else if (!field.value.is_table()) {
      problems.add(field.where, fmt::format("defaults of '{}' are a table of options; found {}", field.key, field.value.found()));
    } else {
      StageSpec stage;
      stage.type = field.key;
      stage.kind = kind;
      stage.plugin = plugin::make(*entry);
      Schema schema;
      declare_options(stage, schema);
      for (const OptionProblem& problem : schema.read(field.value.to_value())) {
        const Field* option = field.value.find(problem.option);
        if (option == nullptr) continue;  // a required option: each stage must set it
        problems.add(option->where, fmt::format("defaults: {} {}", field.key, problem.message));
      }
      tables[field.key] = &field.value;
    }
  }
  return tables;
}

}  // namespace espalier::config
