#include "runtime/config/resolve.h"

#include <fmt/format.h>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/base/floating_point.h"
#include "runtime/base/suggest.h"
#include "runtime/config/checks.h"
#include "runtime/config/document.h"
#include "runtime/config/expand.h"
#include "runtime/sdk/check.h"
#include "runtime/sdk/notes.h"
#include "runtime/tensor/failure.h"

namespace espalier::config {
namespace {

// Returns the table `key` of the file, or null. Adds a problem if the value is not a table.
const Node* read_table(const Node& root, const std::string& key, Problems& problems) {
  const Field* field = root.find(key);
  if (field == nullptr) return nullptr;
  if (field->value.is_table()) return &field->value;
  problems.add(field->where, fmt::format("'{}' is a table, [{}]; found {}", key, key, field->value.found()));
  return nullptr;
}

void read_scalars(const Node& root, PipelineSpec& spec, Problems& problems) {
  for (const Field& field : root.fields) {
    static const std::vector<std::string> known = {"name",  "seed",   "domain", "defaults", "stage",
                                                   "cache", "device", "models", "sweep",    "rounds"};
    if (std::find(known.begin(), known.end(), field.key) != known.end()) continue;
    const bool is_table = field.value.is_table();
    problems.add(field.where, fmt::format("unknown {} '{}'{}", is_table ? "table" : "key", field.key, did_you_mean(field.key, known)));
  }
  if (const auto name = read_string(root, "name", true, "the pipeline", problems)) {
    if (check_word(*name, root.find("name")->where, "the pipeline: a name", problems)) spec.name = *name;
  }
  spec.seed = read_seed(root, "the pipeline", problems).value_or(0);
}

void read_cache_and_device(const Node& root, PipelineSpec& spec, Problems& problems) {
  if (const Node* cache = read_table(root, "cache", problems)) {
    check_keys(*cache, {"path"}, "[cache]", problems);
    if (const auto path = read_string(*cache, "path", false, "[cache]", problems)) {
      if (path->empty()) problems.add(cache->find("path")->where, "[cache]: 'path' is a folder; found \"\"");
      spec.cache_path = *path;
    }
  }
  if (const Node* device = read_table(root, "device", problems)) {
    check_keys(*device, {"type", "dtype"}, "[device]", problems);
    if (const auto type = read_choice(*device, "type", {"cpu", "cuda"}, "[device]", problems)) spec.device = *type;
    if (const auto dtype = read_dtype(*device, spec.device, "[device]", problems)) spec.dtype = *dtype;
  }
}

// Adds a problem for an option with which domains of earlier versions named a model. Returns whether there was one.
bool refuse_old_form(const Node& options, const Schema& schema, Problems& problems) {
  const auto infos = schema.infos();
  for (const char* name : {"model", "initialize_weights", "on_prompt_overflow"}) {
    const Field* given = options.find(name);
    if (given == nullptr || std::ranges::any_of(infos, [&](const OptionInfo& info) { return info.name == name; })) continue;
    problems.add(given->where,
                 fmt::format("[domain]: the option '{}' is gone: pipelines name models in [models], and stages take them by name; "
                             "write\n{}",
                             name, new_form_of_model(options)));
    return true;
  }
  return false;
}

void read_domain(const Node& root, const plugin::Catalog& catalog, PipelineSpec& spec, Problems& problems) {
  if (root.find("domain") == nullptr) {
    problems.add(root.where, "the pipeline: [domain] is missing: it names what a sample is, type = \"domain.<name>\"");
    return;
  }
  const Node* domain = read_table(root, "domain", problems);
  if (domain == nullptr) return;
  check_keys(*domain, {"type", "options"}, "[domain]", problems);
  const Node* options = read_table(*domain, "options", problems);
  const auto type = read_string(*domain, "type", true, "[domain]", problems);
  if (!type) return;
  const TypeName name(*type);
  const PluginEntry* entry = name.kind == "domain" ? catalog.find("domain", name.name) : nullptr;
  if (entry == nullptr) {
    if (name.kind == "domain") catalog.expect_not_refused(*type);
    std::vector<std::string> known;
    for (const std::string& other : catalog.types()) {
      if (TypeName(other).kind == "domain") known.push_back(other);
    }
    const char* const what = name.kind == "domain" ? "no plugin" : "a domain's type is domain.<name>; found";
    problems.add(domain->find("type")->where, fmt::format("[domain]: {} '{}'{}", what, *type, did_you_mean(*type, known)));
    return;
  }
  spec.domain_type = *type;
  spec.domain_numerics_version = entry->numerics_version;
  spec.domain = std::dynamic_pointer_cast<Domain>(plugin::make(*entry));
  if (spec.domain == nullptr) throw PluginError(fmt::format("{}: {} is registered as a domain but is none", entry->library, *type));
  Schema schema;
  declare_own_options(*spec.domain, *type, schema);
  if (options != nullptr && refuse_old_form(*options, schema, problems)) return;
  const auto before = problems.count();
  read_options(schema, nullptr, options, domain->where, fmt::format("[domain]: {}", *type), problems);
  if (problems.count() == before) check_plugin(*spec.domain, domain->where, "[domain]: ", problems);
  spec.domain_options = schema.values(OptionRole::keyed);
}

void open_domain_of(const Node& root, PipelineSpec& spec, RememberedDigests* digests, Problems& problems) {
  const Doing doing("[domain]: " + spec.domain_type);
  const auto refuse = [&](const std::string& reason) {
    problems.add(root.find("domain")->value.where, fmt::format("[domain]: {} cannot be opened: {}", spec.domain_type, reason));
    problems.raise();
  };
  spec.digests = digests;
  try {
    spec.domain->open(DomainContext{spec.seed, digests});
  } catch (const Stopped&) {
    throw;
  } catch (const Error& error) {
    refuse(error.what());
  } catch (...) {
    const auto failure = std::current_exception();
    if (is_out_of_memory(failure)) refuse(failure_text(failure) + largest_of(spec.domain_options));
    throw PluginError(fmt::format("[domain]: {} cannot be opened: {}", spec.domain_type, failure_text(failure)));
  }
  set_default_floating_point();
  spec.notes = notes_of(*spec.domain);
  check_domain(spec.domain_type, *spec.domain);
}

// Returns whether a folder of [models] holds a network of this class. Another check reports folders that cannot be read.
bool names_network(const PipelineSpec& spec, const std::string& class_name) {
  return std::ranges::any_of(spec.models, [&](const auto& model) {
    try {
      return modelfile::network_of(model.second.folder, spec.networks).class_name == class_name;
    } catch (const Error&) {
      return false;
    }
  });
}

// Sets the libraries of each stage, identified by content: a rebuilt library with other bytes is another one. A stage's numbers also depend
// on the engine's library and on the domain's, which decodes and may hold networks.
void read_libraries(const plugin::Catalog& catalog, PipelineSpec& spec) {
  std::map<std::string, Hex> known;
  const auto digest_of = [&known](const std::string& library) {
    auto& found = known[library];
    if (found.empty() && !library.empty()) found = digest_file(library);  // "": linked into the program
    return found;
  };
  for (StageSpec& stage : spec.stages) {
    stage.libraries["libespalier"] = digest_of(plugin::engine_library().string());
    for (const std::string& type : {spec.domain_type, stage.type}) {
      const TypeName name(type);
      stage.libraries[type] = digest_of(catalog.find(name.kind, name.name)->library);
    }
    for (const auto& [name, entry] : catalog.networks().entries()) {
      if (!entry.library.empty() && names_network(spec, name)) stage.libraries["network " + name] = digest_of(entry.library);
    }
  }
}

}  // namespace

PipelineSpec resolve(const Document& document, const plugin::Catalog& catalog, bool open_domain, const DigestsOf& digests_of) {
  const Document::Impl& impl = document.impl();
  Problems problems = impl.problems;
  const Expanded expanded = expand(impl.root, problems);
  const Node& root = expanded.root;
  PipelineSpec spec;
  spec.origin = impl.origin;
  spec.text = impl.text;
  spec.overrides = impl.overrides;
  spec.networks = catalog.networks();
  read_scalars(root, spec, problems);
  read_cache_and_device(root, spec, problems);
  read_domain(root, catalog, spec, problems);
  read_models(root, spec, problems);
  std::vector<Draft> drafts = read_stages(expanded, catalog, check_defaults(root, catalog, problems), problems);
  for (Draft& draft : drafts) {
    draft.spec.seed = read_seed(*draft.node, draft.subject, problems).value_or(spec.seed);
    if (!spec.models.contains(draft.spec.tag)) continue;
    problems.add(draft.spec.where, fmt::format("{}: the tag is a name of [models] too; choose another", draft.subject));
  }
  read_inputs(drafts, spec.models, problems);
  check_overridden_models(spec, drafts, problems);
  check_chains(drafts, problems);
  follow_starts(drafts, problems);
  spec.stages = in_order(drafts, problems);
  problems.raise();
  check_transitions(drafts, problems);
  problems.raise();
  read_libraries(catalog, spec);
  if (open_domain) {
    open_domain_of(root, spec, digests_of ? digests_of(spec.cache_path) : nullptr, problems);
    named<PluginError>(spec.domain_type, [&] { check_against_domain(drafts, *spec.domain, spec.domain_type, problems); });
    read_prompts(spec, problems);
    read_schedulers(spec, problems);
    problems.raise();
    fill_in_batches(spec);
  }
  return spec;
}

}  // namespace espalier::config
