#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/value.h"
#include "runtime/tensor/state.h"

namespace espalier {

// Conditions, in order: those of a split (trajectory i has condition i mod size()), or one for each example of a batch. An unconditional
// domain has one, without tensors. Whatever a model's own tokenizer makes of the texts is not here (encoding.h).
struct Conditions {
  TensorMap tensors;              // what the data gives to a noise process and a network of any model, [C, ...]
  TensorMap null_tensors;         // the same names, [1, ...]: the null condition of classifier-free guidance
  std::vector<std::string> text;  // [C], what a person reads, and what a model that takes texts is given
  std::vector<Value> metadata;    // [C], what rewards may use (colours, classes, ...)
  std::int64_t size() const { return static_cast<std::int64_t>(text.size()); }
  Hex digest() const;                                             // of everything above
  Conditions first(std::int64_t count) const;                     // the first `count`, or all where there are fewer
  Conditions rows(const std::vector<std::int64_t>& which) const;  // [B]; the null condition stays
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
    Sample sample;         // [B], as Codec::encode() takes it: what decode() derives from the rest (a molecule's SMILES) may be missing
    Conditions condition;  // [B], one for each; the null condition may be missing
  };
  virtual Batch at(const std::vector<std::uint64_t>& positions) const = 0;  // thread-safe
};

// A domain's data. Immutable, shared by threads.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::vector<std::string> splits() const = 0;                // {"train", "held_out"}
  virtual Conditions conditions(const std::string& split) const = 0;  // throws ConfigError naming the splits
  // Whether there are examples: prompts may come without. Without them examples() throws ConfigError, which `validate` reports of each
  // stage that needs them.
  virtual bool has_examples() const { return true; }
  virtual std::unique_ptr<Examples> examples(const std::string& split) const = 0;
};

}  // namespace espalier
