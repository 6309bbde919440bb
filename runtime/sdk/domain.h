#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/remembered_digests.h"
#include "runtime/modelfile/model.h"
#include "runtime/sdk/image.h"
#include "runtime/sdk/inputs.h"
#include "runtime/sdk/schema.h"

namespace espalier {

// What every plugin is.
class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual void options(Schema& schema) { (void)schema; }
  // Relations among the options, and the files that they name, as far as the pipeline file and the disk show them to be wrong. Called by
  // every command after options() has read its values. Throws ConfigError (the options) or DataError (a file).
  virtual void check() const {}
  // How far the numbers of another build of this plugin, or of another machine, may lie from its own and still count as the same: the
  // largest absolute difference over the largest absolute value. 0: equal bits.
  virtual double probe_tolerance() const { return 0.0; }
  // Declares the inputs of a stage, besides those usual for its kind (kinds.h), or changes these (inputs.h). Called after the options were
  // read, of which they may depend.
  virtual void inputs(Inputs& in) { (void)in; }
};

// The conditions of one split, in order; trajectory i has condition i mod size(). An unconditional domain has one, without tensors.
struct Conditions {
  TensorMap tensors;              // raw network inputs, [C, ...]
  TensorMap null_tensors;         // the same names, [1, ...]: the null condition of classifier-free guidance
  std::vector<std::string> text;  // [C], what a person reads
  std::vector<Value> metadata;    // [C], what rewards may use (colours, classes, ...)
  std::int64_t size() const { return static_cast<std::int64_t>(text.size()); }
  Hex digest() const;                                            // of everything above
  Conditions first(std::int64_t count) const;                    // the first `count`, or all where there are fewer
  TensorMap rows(const std::vector<std::int64_t>& which) const;  // [B, ...] of `tensors`
};

// Something decoded that a reward or a person can look at: named tensors and strings of a declared kind.
struct Sample {
  std::string kind;  // "image": "image" [B, 3 or 1, H, W] float in [0, 1]
  TensorMap tensors;
  std::map<std::string, std::vector<std::string>> strings;
};

// Training examples, addressed by a position that never ends or below size().
class Examples {
 public:
  virtual ~Examples() = default;
  virtual std::int64_t size() const = 0;  // 0: without end (generated)
  // How many come before the first that is another one over again (turned, mirrored): what a metric compares with.
  virtual std::int64_t distinct() const { return size(); }
  virtual Hex digest() const = 0;  // of the data or of what generates it
  struct Batch {
    State state;                  // clean, encoded, [B, ...]
    TensorMap condition;          // raw network inputs, [B, ...]
    std::vector<Value> metadata;  // [B], as Conditions::metadata
  };
  virtual Batch at(const std::vector<std::uint64_t>& positions) const = 0;  // thread-safe
};

struct DomainContext {
  std::uint64_t seed = 0;
  RememberedDigests* digests = nullptr;  // null: nothing is remembered
};

// What is known of a view of trajectories, or of their scores, before they are made.
struct PlannedView {
  std::string tag;                         // of the stage
  std::int64_t size = 0;                   // trajectories
  std::int64_t samples_per_condition = 0;  // of a sampler's; 0 of an inversion's
  Hex conditions = {};                     // digest of the split's conditions
};

// What a sample is. Opened once, then immutable and shared by threads. All paths were checked by options().
class Domain : public Plugin {
 public:
  // Reads what the options name: prompts, data, the model folder's configuration. No weights yet. Throws DataError or ConfigError.
  virtual void open(const DomainContext& context) = 0;

  virtual std::string sample_kind() const = 0;
  virtual StateSpec state_spec() const = 0;
  virtual std::vector<std::string> splits() const = 0;                // {"train", "held_out"}
  virtual Conditions conditions(const std::string& split) const = 0;  // throws ConfigError naming the splits
  virtual std::unique_ptr<Examples> examples(const std::string& split) const = 0;

  // What determines how states are decoded, besides the state itself; enters the key of scores.
  virtual Value decoder() const = 0;
  virtual Sample decode(const State& state) const = 0;
  virtual std::vector<Image> draw(const Sample& sample) const = 0;
  // The samples as files of their field, by name ("molecules.sdf"): texts that, put one after the other, are one file of all of them. A run
  // writes them beside its images.
  virtual std::map<std::string, std::string> records(const Sample& sample) const {
    (void)sample;
    return {};
  }
  // What each sample is: two samples with equal keys are the same thing. "": no key (what is not valid), equal to no other. A domain
  // without such keys says so, which `validate` asks; asked for them nevertheless, it throws ConfigError.
  virtual bool has_canonical_keys() const { return false; }
  virtual std::vector<std::string> canonical_keys(const Sample& sample) const;  // [B]

  // The folder the options name ("" without one), how to read such a folder, and how to write one. A folder holds the domain's own layout
  // (diffusers') and whatever espalier.json the engine adds. `info` reads no weights but their digest.
  virtual std::filesystem::path model_folder() const = 0;
  virtual ModelInfo model_info(const std::filesystem::path& folder) const = 0;
  virtual Model load_model(const std::filesystem::path& folder) const = 0;
  virtual void save_model(const Model& model, const std::filesystem::path& folder) const = 0;
};

}  // namespace espalier
