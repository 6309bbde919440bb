#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/config/checks.h"

namespace espalier::config {
namespace {

std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (const KindInfo& kind : stage_kinds()) names.push_back(kind.kind);
  return names;
}

// Returns the plugin types that a stage may have, of one kind; of all kinds if `kind` is "".
std::vector<std::string> stage_types(const plugin::Catalog& catalog, const std::string& kind) {
  std::vector<std::string> types;
  for (const std::string& type : catalog.types()) {
    const TypeName name(type);
    if (kind.empty() ? name.kind != "domain" : name.kind == kind) types.push_back(type);
  }
  return types;
}

void read_tag(Draft& draft, std::size_t number, const std::vector<Draft>& before, Problems& problems) {
  draft.subject = fmt::format("stage number {}", number);
  const auto tag = read_string(*draft.node, "tag", true, draft.subject, problems);
  if (!tag) return;
  const SourceSpan where = draft.node->find("tag")->where;
  if (!check_word(*tag, where, draft.subject + ": a tag", problems)) return;
  draft.subject = fmt::format("stage '{}'", *tag);
  for (const char* reserved : {"domain", "models", "cache", "device", "seed", "name", "sweep", "rounds"}) {
    if (*tag != reserved) continue;
    problems.add(where, fmt::format("{}: the tag '{}' is reserved; choose another", draft.subject, *tag));
    return;
  }
  for (const Draft& other : before) {
    if (other.spec.tag != *tag) continue;
    problems.add(where,
                 fmt::format("{}: the tag is taken by the stage at {}; tags are unique", draft.subject, other.spec.where.to_string()));
    return;
  }
  draft.spec.tag = *tag;
}

const PluginEntry* read_type(Draft& draft, const plugin::Catalog& catalog, Problems& problems) {
  const auto type = read_string(*draft.node, "type", true, draft.subject, problems);
  if (!type) return nullptr;
  const SourceSpan where = draft.node->find("type")->where;
  const TypeName name(*type);
  draft.spec.type = *type;
  draft.spec.kind = find_kind(name.kind);
  if (name.kind == "domain") {
    problems.add(where, fmt::format("{}: '{}' is a domain, which stands in [domain]; a stage is one of: {}", draft.subject, *type,
                                    fmt::join(kind_names(), ", ")));
    return nullptr;
  }
  if (draft.spec.kind == nullptr) {
    const std::vector<std::string> types = stage_types(catalog, "");
    const std::string near = nearest_name(*type, types);
    problems.add(where, fmt::format("{}: '{}' is no type: a type is kind.name with a kind of: {}{}", draft.subject, *type,
                                    fmt::join(kind_names(), ", "), near.empty() ? "" : "; did you mean '" + near + "'?"));
    return nullptr;
  }
  const PluginEntry* entry = catalog.find(name.kind, name.name);
  if (entry == nullptr) {
    catalog.expect_not_refused(*type);
    const std::vector<std::string> types = stage_types(catalog, name.kind);
    problems.add(where, fmt::format("{}: no plugin '{}'{}", draft.subject, *type,
                                    types.empty() ? "; no " + name.kind + " is loaded" : did_you_mean(*type, types)));
  }
  return entry;
}

void check_micro_batch(const Draft& draft, const Node* defaults, const Node* own, Problems& problems) {
  const SamplerView& view = draft.spec.sampler;
  if (view.micro_batch < 1 || view.block_size < 1 || view.block_size % view.micro_batch == 0) return;
  const Field* field = nullptr;
  for (const char* name : {"micro_batch", "block_size"}) {
    if (own != nullptr && own->find(name) != nullptr) field = own->find(name);
  }
  for (const char* name : {"micro_batch", "block_size"}) {
    if (field == nullptr && defaults != nullptr) field = defaults->find(name);
  }
  problems.add(field == nullptr ? draft.spec.where : field->where,
               fmt::format("{}: block_size is a multiple of micro_batch; found block_size {} and micro_batch {}", draft.subject,
                           view.block_size, view.micro_batch));
}

void read_stage_options(Draft& draft, const PluginEntry& entry, const Node* defaults, Problems& problems) {
  const Field* field = draft.node->find("options");
  const Node* own = nullptr;
  if (field != nullptr && !field->value.is_table()) {
    problems.add(field->where, fmt::format("{}: 'options' is a table, [stage.options]; found {}", draft.subject, field->value.found()));
  } else if (field != nullptr) {
    own = &field->value;
  }
  StageSpec& spec = draft.spec;
  spec.numerics_version = entry.numerics_version;
  spec.plugin = plugin::make(entry);
  Schema schema;  // bound to members of `spec`, which must not move until the values are read
  declare_options(spec, schema);
  const auto before = problems.count();  // the plugin checks relations among options only if each option is valid
  read_options(schema, defaults, own, spec.where, fmt::format("{}: {}", draft.subject, spec.type), problems);
  if (spec.kind->gives == ResultKind::trajectories) check_micro_batch(draft, defaults, own, problems);
  if (problems.count() == before) check_plugin(*spec.plugin, spec.where, draft.subject + ": ", problems);
  spec.keyed = schema.values(OptionRole::keyed);
  spec.view = schema.values(OptionRole::view);
  spec.operational = schema.values(OptionRole::operational);
}

}  // namespace

std::vector<Draft> read_stages(const Expanded& pipeline, const plugin::Catalog& catalog, const std::map<std::string, const Node*>& defaults,
                               Problems& problems) {
  std::vector<Draft> drafts;
  const Node& root = pipeline.root;
  const Field* section = root.find("stage");
  if (section == nullptr) {
    problems.add(root.where, "a pipeline has at least one [[stage]]");
    return drafts;
  }
  if (!section->value.is_list() || section->value.list.empty()) {
    problems.add(section->where,
                 fmt::format("stages are written [[stage]]; found {}", section->value.is_list() ? "none" : section->value.found()));
    return drafts;
  }
  drafts.reserve(section->value.list.size());
  for (const Node& node : section->value.list) {
    if (!node.is_table()) {
      problems.add(node.where, fmt::format("a stage is a table, [[stage]]; found {}", node.found()));
      continue;
    }
    Draft draft;
    draft.node = &node;
    draft.spec.where = node.where;
    read_tag(draft, drafts.size() + 1, drafts, problems);
    if (const auto origin = pipeline.origins.find(draft.spec.tag); origin != pipeline.origins.end()) {
      draft.spec.origin = origin->second;
      if (!origin->second.tag.empty())
        draft.subject = fmt::format("stage '{}'", origin->second.tag);  // as the file has it: copies have the same problems
    }
    check_keys(node, {"tag", "type", "seed", "inputs", "options"}, draft.subject, problems);
    const PluginEntry* entry = read_type(draft, catalog, problems);
    drafts.push_back(std::move(draft));
    if (entry == nullptr) continue;
    const auto preset = defaults.find(drafts.back().spec.type);
    read_stage_options(drafts.back(), *entry, preset == defaults.end() ? nullptr : preset->second, problems);
  }
  return drafts;
}

}  // namespace espalier::config
