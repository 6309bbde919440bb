#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/remembered_digests.h"
#include "runtime/sdk/codec.h"
#include "runtime/sdk/dataset.h"
#include "runtime/sdk/plugin_base.h"

namespace espalier {

struct DomainContext {
  std::uint64_t seed = 0;
  RememberedDigests* digests = nullptr;  // null: nothing is remembered
};

// What is known of a view of trajectories, or of their scores, before they are made.
struct PlannedView {
  std::string tag;                          // of the stage
  std::int64_t size = 0;                    // trajectories
  std::shared_ptr<const Codec> codec = {};  // of their states
  std::int64_t samples_per_condition = 0;   // of a sampler's; 0 of an inversion's
  Hex conditions = {};                      // digest of the split's conditions
  std::vector<Value> metadata = {};         // [C], of these conditions
  std::string samples = {};                 // the stage of the trajectories, which `tag` perhaps scored
  std::int64_t num_steps = 0;               // N of their grid
  std::string start = {};                   // the stage at whose recorded states they begin; "": at noise
  std::int64_t start_step = 0;              // steps remaining there
};

// What a sample is: data, and for a given model a codec. Opened once, then immutable and shared by threads. It opens no model folder.
class Domain : public Plugin {
 public:
  // Reads what the options name: prompts, data. Throws DataError or ConfigError.
  virtual void open(const DomainContext& context) = 0;

  virtual std::string sample_kind() const = 0;  // "image", "layout", ...
  virtual const Dataset& data() const = 0;
  // The codec of a model's states. Null: that of the samples' own size, as a model without an autoencoder would have them, through which
  // data is judged (samples_of). Throws DataError, naming the config's key, where the model does not fit the domain's samples.
  virtual std::shared_ptr<const Codec> codec(const ModelInfo* model) const = 0;
};

}  // namespace espalier
