#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config/node.h"
#include "runtime/config/spec.h"
#include "runtime/plugin/catalog.h"

// The parts of resolve(). Each adds what it finds wrong to `problems` and goes on, so that a file's problems are reported together.
namespace espalier::config {

struct Draft;

// "kind.name"; kind and name are "" where the text has no point.
struct TypeName {
  explicit TypeName(const std::string& text);
  std::string kind;
  std::string name;
};

// Reports keys of a table that are not known; `place` says which table ("[domain]", "stage 'x'").
void check_keys(const Node& table, const std::vector<std::string>& known, const std::string& place, Problems& problems);

// The string at `key`. Without one: nullopt, and a problem where it is no string, or missing and required.
std::optional<std::string> read_string(const Node& table, const std::string& key, bool required, const std::string& place,
                                       Problems& problems);

// The string at `key` where it is one of these; a problem where it is another.
std::optional<std::string> read_choice(const Node& table, const std::string& key, const std::vector<std::string>& known,
                                       const std::string& place, Problems& problems);

// The number format at `dtype`, which the device ("cpu", "cuda") computes in; a problem for another.
std::optional<at::ScalarType> read_dtype(const Node& table, const std::string& device, const std::string& place, Problems& problems);

// Whether `text` has letters, digits, '-' and '_' alone, 1 to 100 of them; a problem otherwise.
bool check_word(const std::string& text, const SourceSpan& where, const std::string& what, Problems& problems);

// Reads defaults and own options (either may be null) together into the schema, own ones winning. `subject` begins each message. Problems
// with a default are not told again: check_defaults() has.
void read_options(Schema& schema, const Node* defaults, const Node* own, const SourceSpan& where, const std::string& subject,
                  Problems& problems);

// Plugin::check(); an error becomes a problem at `where`, behind `subject`.
void check_plugin(const Plugin& plugin, const SourceSpan& where, const std::string& subject, Problems& problems);

// Lets a plugin declare its options. Throws PluginError, naming its type, where it throws, declares a name twice or has a default that
// breaks its own declaration.
void declare_own_options(Plugin& plugin, const std::string& type, Schema& schema);

// A stage's options as one schema: the engine's for its kind, then the plugin's own. Throws PluginError when the plugin declares a name
// twice or one of the engine's.
void declare_options(StageSpec& stage, Schema& schema);

// [defaults."kind.name"]: gives the tables by type.
std::map<std::string, const Node*> check_defaults(const Node& root, const plugin::Catalog& catalog, Problems& problems);

// A stage being checked: what is known of it so far, and its table. Fields of `spec` that the file gets wrong stay empty.
struct Draft {
  StageSpec spec;
  const Node* node = nullptr;
  std::string subject;  // "stage 'x'", or "stage number 2" without a tag
};

// [models]: name = "folder" or { folder = "...", ... }, into spec.models.
void read_models(const Node& root, PipelineSpec& spec, Problems& problems);

// Of the model folders that inputs name: that they are there, and what their tokenizers make of the prompts of every split of the opened
// domain; what prompts lose becomes a note of `spec`.
void read_prompts(PipelineSpec& spec, Problems& problems);

// What a person should know of how the schedulers of the model folders that inputs name are read becomes notes of `spec`.
void read_schedulers(PipelineSpec& spec, Problems& problems);

// Refuses a model that an override names and no stage takes: it was meant to replace another.
void check_overridden_models(const PipelineSpec& spec, const std::vector<Draft>& drafts, Problems& problems);

// How the model that an earlier version's option `model` of [domain] named is written now: "[models]\nbase = ...".
std::string new_form_of_model(const Node& domain_options);

// All [[stage]] tables, with plugins made and options read, in the file's order; inputs are not read yet.
std::vector<Draft> read_stages(const Node& root, const plugin::Catalog& catalog, const std::map<std::string, const Node*>& defaults,
                               Problems& problems);

// Reads every stage's inputs and checks them against those that its plugin declares.
void read_inputs(std::vector<Draft>& drafts, const std::map<std::string, ModelEntry>& models, Problems& problems);

// A stage that takes a selection and scores takes both of the same samples.
void check_chains(const std::vector<Draft>& drafts, Problems& problems);

// A stage that reads transitions reads those of a sampler whose steps have a law. Of stages whose options are right.
void check_transitions(const std::vector<Draft>& drafts, Problems& problems);

// The stages in an order in which inputs come first, else in the file's. A problem for each cycle.
std::vector<StageSpec> in_order(const std::vector<Draft>& drafts, Problems& problems);

// Puts a default where a stage of trajectories sets no block_size or no micro_batch: from what a forward pass of its model costs and how
// large its states are, so that the same files give the same keys everywhere. Needs the opened domain.
void fill_in_batches(PipelineSpec& spec);

// What needs the opened domain: a sampler's split, the kind of sample that an input takes, the canonical keys that a filter reads.
void check_against_domain(const std::vector<Draft>& drafts, const Domain& domain, const std::string& domain_type, Problems& problems);

}  // namespace espalier::config
