#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/source_span.h"
#include "runtime/config/stage_plugin.h"
#include "runtime/modelfile/folder.h"
#include "runtime/sdk/kinds.h"
#include "runtime/sdk/plugin.h"

namespace espalier::config {

// Options that every sampler stage has besides its plugin's; declared through a Schema like any other.
struct SamplerView {
  std::string split = "train";
  std::int64_t max_conditions = 0;         // keyed, through the conditions' content; 0: all
  std::int64_t samples_per_condition = 1;  // view
  std::string noise = "sampling";          // keyed: "sampling" or "held_out", two streams with no noise in common
  std::vector<Step> record_steps;          // view: further steps whose states are kept
  std::int64_t block_size = 0;             // keyed; a multiple of micro_batch; 0 until fill_in_batches() sets it
  std::int64_t micro_batch = 0;            // keyed, because a network's last bits depend on it; 0 likewise
  Step start_step;                         // keyed where the input `start` is named: begin at its trajectories' states there
  std::int64_t branch = 1;                 // likewise: which continuation of each
  double max_nonfinite_fraction = 0.0;     // operational, of a sampler: the run stops above this share of NaN or infinite samples
  void options(Schema& schema);
};

// Declares the options that every noise_corrector stage has, kept in a SamplerView (max_conditions holds max_examples, a view option).
void inversion_options(SamplerView& view, double& max_unconverged_fraction, Schema& schema);

// Options that every reward stage has.
struct RewardView {
  double max_invalid_fraction = 0.1;  // operational: the run stops above this share of NaN or infinite rewards
  void options(Schema& schema);
};

// Options that every filter stage has: how several rewards become one score. Keyed; at their defaults they are in no key.
struct FilterView {
  std::vector<double> weights;          // of the scores, in the order of the input; empty: 1 each
  std::string normalization = "none";   // "none", "z_score", "rank" (selection/mix.h)
  std::string normalize_over = "pool";  // whose statistics: of all samples ("pool") or of those of the sample's condition
  void options(Schema& schema);
};

struct StageInput {
  InputInfo info;
  std::vector<std::string> tags;  // stages before this one, or names of [models]
};

// What [sweep] and [rounds] made a stage from.
struct StageOrigin {
  std::string tag;                // of the stage in the file
  Value settings = Value::Map{};  // what [sweep] sets in this copy, itself or in a stage that it depends on: "<tag>.<option>" -> value
  std::int64_t round = 0;         // of [rounds], from 1; 0: the stage belongs to no round
};

struct StageSpec {
  std::string tag;
  StageOrigin origin;
  std::string type;  // "kind.name"
  const KindInfo* kind = nullptr;
  std::int64_t numerics_version = 1;
  std::uint64_t seed = 0;          // of its random streams: its own, or the pipeline's
  std::vector<StageInput> inputs;  // in the order of their declaration
  StagePlugin plugin;              // options read
  Value keyed;                     // keyed options, defaults filled in: the plugin's own and its kind's (block_size, micro_batch, split)
  Value view;
  Value operational;
  SamplerView sampler;                     // of a sampler or noise_corrector stage
  double max_unconverged_fraction = 0.05;  // of a noise_corrector stage, operational: the run stops above this share
  RewardView reward;                       // of a reward stage
  FilterView filter;                       // of a filter stage
  Value libraries;                         // libraries that compute the stage's numbers: name -> SHA-256
  SourceSpan where;

  const StageInput* input(const std::string& name) const;  // null: the pipeline does not name it
};

// An entry of [models].
struct ModelEntry {
  std::filesystem::path folder;
  std::optional<std::filesystem::path> adapter = std::nullopt;  // folder or file of an adapter to add
  bool initialize_weights = false;                              // weights that the folder lacks are drawn from the run's seed
  bool refuses_long_prompts = false;                            // on_prompt_overflow = "error"
  // As in LoadOptions. Without a dtype, that of [device] applies.
  std::optional<at::ScalarType> dtype = std::nullopt;
  std::string variant = {};
  std::string prediction_type = {};
  std::int64_t height = 0, width = 0;
  Value settings = Value::Map{};  // of network::NetworkSettings
  SourceSpan where;
};

struct PipelineSpec {
  std::string name;
  std::uint64_t seed = 0;
  std::string device = "cpu";         // "cpu" or "cuda"
  at::ScalarType dtype = at::kFloat;  // of models whose entry names none
  Value numerics_class;               // of this machine (exec::numerics_class); not from the file
  std::filesystem::path cache_path = "cache";
  std::filesystem::path runs_path = "runs";
  std::string origin;  // the file
  std::string text;    // its text as run
  std::vector<std::string> overrides;

  std::string domain_type;
  std::int64_t domain_numerics_version = 1;
  Value domain_options;
  std::shared_ptr<Domain> domain;            // opened
  RememberedDigests* digests = nullptr;      // DomainContext::digests
  network::Registry networks;                // the networks that model folders may hold
  std::map<std::string, ModelEntry> models;  // [models], by the name that inputs use
  std::vector<std::string> notes;            // for the user: on the domain's data, prompts that a tokenizer cuts, schedulers
  std::vector<StageSpec> stages;             // in an order in which inputs come first

  bool is_folder(const std::string& tag) const { return models.contains(tag); }
  // The name in [models] of the model that the tag names, or of the one that its training began with; "": none.
  std::string folder_of(const std::string& tag) const;
  // How to load the model of a folder or a stage. A trained model is computed in the dtype of the model that training began with.
  modelfile::LoadOptions load_options(const std::string& tag) const;
  // The checked codec of the model that the tag names. Throws DataError, naming the tag and its folder, if the model does not fit the
  // domain's samples.
  std::shared_ptr<const Codec> codec(const ModelInfo& model, const std::string& tag) const;
  const StageSpec* find(const std::string& tag) const;
  // Those that a sampler stage samples, in order, and their digest. Made once; they live as long as any copy of this spec. Thread-safe.
  const Conditions& conditions(const StageSpec& sampler) const;
  const Hex& conditions_digest(const StageSpec& sampler) const;

 private:
  struct KnownConditions;
  std::shared_ptr<KnownConditions> known_conditions_ = make_known_conditions();
  static std::shared_ptr<KnownConditions> make_known_conditions();
};

}  // namespace espalier::config
