#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config/expand.h"
#include "runtime/config/node.h"
#include "runtime/config/spec.h"
#include "runtime/plugin/catalog.h"

// The parts of resolve(). Each adds the problems that it finds to `problems` and continues, so that all problems of a file are reported
// together.
namespace espalier::config {

struct Draft;

// A plugin's type, "kind.name". kind and name are "" if the text has no dot.
struct TypeName {
  explicit TypeName(const std::string& text);
  std::string kind;
  std::string name;
};

// Adds a problem for each key of the table that is not in `known`. `place` names the table in messages ("[domain]", "stage 'x'").
void check_keys(const Node& table, const std::vector<std::string>& known, const std::string& place, Problems& problems);

// Returns the string at `key`, or nullopt. Adds a problem if the value is not a string, or if it is missing and required.
std::optional<std::string> read_string(const Node& table, const std::string& key, bool required, const std::string& place,
                                       Problems& problems);

// Returns the string at `key` if it is one of `known`, otherwise nullopt. Adds a problem for any other value.
std::optional<std::string> read_choice(const Node& table, const std::string& key, const std::vector<std::string>& known,
                                       const std::string& place, Problems& problems);

// Returns the seed at the key `seed`, or nullopt. Adds a problem if it is no integer of at least 0.
std::optional<std::uint64_t> read_seed(const Node& table, const std::string& place, Problems& problems);

// Returns the dtype at the key `dtype`, or nullopt. Adds a problem if the device ("cpu", "cuda") cannot compute in it.
std::optional<at::ScalarType> read_dtype(const Node& table, const std::string& device, const std::string& place, Problems& problems);

// Returns whether `text` has 1 to 100 characters, only letters, digits, '-' and '_'. Adds a problem if not.
bool check_word(const std::string& text, const SourceSpan& where, const std::string& what, Problems& problems);

// Reads the defaults and the stage's own options (either may be null) into the schema; own options take precedence. Each message begins
// with `subject`. Problems of defaults are left to check_defaults(), which reports them once.
void read_options(Schema& schema, const Node* defaults, const Node* own, const SourceSpan& where, const std::string& subject,
                  Problems& problems);

// Calls Plugin::check(). Adds its error as a problem at `where`; the message begins with `subject`.
void check_plugin(const Plugin& plugin, const SourceSpan& where, const std::string& subject, Problems& problems);

// Declares a plugin's options in the schema. Throws PluginError, naming the type, if the plugin throws, declares a name twice or has a
// default that violates its own declaration.
void declare_own_options(Plugin& plugin, const std::string& type, Schema& schema);

// Declares a stage's options in one schema: the engine's for its kind, then the plugin's own. Throws PluginError if the plugin declares a
// name twice or a name of the engine's options.
void declare_options(StageSpec& stage, Schema& schema);

// Checks the tables [defaults."kind.name"] and returns them by type.
std::map<std::string, const Node*> check_defaults(const Node& root, const plugin::Catalog& catalog, Problems& problems);

// A stage that is being checked: its table, and what was read of it so far. Fields of `spec` whose values are wrong stay empty.
struct Draft {
  StageSpec spec;
  const Node* node = nullptr;
  std::string subject;  // "stage 'x'", or "stage number 2" without a tag
};

// Reads [models], whose entries are name = "folder" or name = { folder = "...", ... }, into spec.models.
void read_models(const Node& root, PipelineSpec& spec, Problems& problems);

// Checks that the model folders that inputs name exist, and encodes the prompts of all splits of the opened domain with their tokenizers.
// Adds notes to `spec` about prompts that are cut or become equal.
void read_prompts(PipelineSpec& spec, Problems& problems);

// Reads the schedulers of the model folders that inputs name. Adds notes to `spec` where a user should know how one is read.
void read_schedulers(PipelineSpec& spec, Problems& problems);

// Adds a problem for a model that an override adds and no stage takes: it was meant to replace another one.
void check_overridden_models(const PipelineSpec& spec, const std::vector<Draft>& drafts, Problems& problems);

// Returns the current TOML ("[models]\nbase = ...") for a model that a pipeline of an earlier version names with the option `model` of
// [domain].
std::string new_form_of_model(const Node& domain_options);

// Reads all [[stage]] tables, in the file's order: makes the plugins and reads the options. Inputs are not read yet.
std::vector<Draft> read_stages(const Expanded& pipeline, const plugin::Catalog& catalog, const std::map<std::string, const Node*>& defaults,
                               Problems& problems);

// Reads every stage's inputs and checks them against those that its plugin declares.
void read_inputs(std::vector<Draft>& drafts, const std::map<std::string, ModelEntry>& models, Problems& problems);

// Checks that a stage that takes both a selection and scores takes them of the same samples, and that a filter's scores are of one stage's.
void check_chains(const std::vector<Draft>& drafts, Problems& problems);

// Checks that a stage that reads transitions takes those of a sampler whose steps have a density. Requires valid options.
void check_transitions(const std::vector<Draft>& drafts, Problems& problems);

// Returns the stages sorted so that each comes after its inputs and, where inputs allow it, after all stages of earlier rounds (a metric
// may end the run after a round), otherwise in the file's order. Adds a problem for each cycle.
std::vector<StageSpec> in_order(const std::vector<Draft>& drafts, Problems& problems);

// Gives each sampler stage with the input `start` the conditions, the number of trajectories and the kind of noise of the stage at whose
// states it begins. Adds a problem where its table sets such an option too, and where start_step or branch are wrong.
void follow_starts(std::vector<Draft>& drafts, Problems& problems);

// Sets block_size and micro_batch of stages that compute trajectories where the pipeline sets none. The values follow from the cost of a
// forward pass of the stage's model and the size of its states, not from the machine, so that the same files give the same keys everywhere.
// Requires the opened domain.
void fill_in_batches(PipelineSpec& spec);

// Checks what requires the opened domain: a sampler's split, the kind of sample that an input takes, options that the plugin
// compares with the domain (Plugin::check_domain), the canonical keys that a filter reads.
void check_against_domain(const std::vector<Draft>& drafts, const Domain& domain, const std::string& domain_type, Problems& problems);

}  // namespace espalier::config
