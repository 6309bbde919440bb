#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/modelfile/model.h"
#include "runtime/random/draws.h"
#include "runtime/sdk/dataset.h"
#include "runtime/sdk/image.h"

namespace espalier {

// Where encoding and decoding take place, and with what.
struct CodecContext {
  const Model* model = nullptr;  // the codec's; null where Codec::needs_model() is false
  at::Device device = at::kCPU;
  random::Draws* draws = nullptr;  // one row for each example, for a codec whose encode() draws; others leave it
};

// Between the states of one model and samples. Immutable, shared by threads.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual StateSpec spec() const = 0;  // of the states
  // What determines how samples are encoded and states decoded, besides these and the model's weights; enters the keys of what is decoded,
  // and of what is made of encoded examples.
  virtual Value key() const = 0;
  // The model's components whose weights encode() and decode() use ("vae"); these are in the keys then.
  virtual std::vector<std::string> components() const { return {}; }
  bool needs_model() const { return !components().empty(); }

  virtual State encode(const Sample& sample, const CodecContext& context) const = 0;  // clean, [B, ...] of spec()
  virtual Sample decode(const State& state, const CodecContext& context) const = 0;   // of the domain's sample_kind()

  virtual std::vector<Image> draw(const Sample& sample) const = 0;
  // The samples as files of their field, by name ("molecules.sdf"): texts that, put one after the other, are one file of all of them. A run
  // writes them beside its images.
  virtual std::map<std::string, std::string> records(const Sample& sample) const {
    (void)sample;
    return {};
  }
  // What each sample is: two samples with equal keys are the same thing. "": no key (what is not valid), equal to no other. Without
  // such keys has_canonical_keys() is false, which `validate` checks, and canonical_keys() throws ConfigError.
  virtual bool has_canonical_keys() const { return false; }
  virtual std::vector<std::string> canonical_keys(const Sample& sample) const;  // [B]
};

}  // namespace espalier
