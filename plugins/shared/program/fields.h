#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/sdk/domain.h"
#include "runtime/sdk/schema.h"

namespace espalier::program {

// Samples as `score` and `samples` carry them: what the header states of each field, and the payload, which lies in the samples' own memory
// or in this object.
struct Packed {
  Value::List fields;
  std::vector<std::string_view> payload;

  std::vector<at::Tensor> tensors;              // what `payload` points into
  std::vector<std::vector<std::string>> files;  // [B] each
};

// What is known of samples besides their content, [B] each.
struct Rows {
  const std::vector<std::int64_t>& index;  // the numbers of the trajectories in their set
  const std::vector<std::string>& text;    // prompts
  const std::vector<Value>& metadata;      // of these
};

// The header of `score` or `samples`. Throws InternalError where the rows' lengths differ.
Value samples_header(const std::string& type, const Rows& rows, const Packed& packed);

// What a stage sends of its samples. Thread-safe.
class Fields {
 public:
  // `who`: "reward.process". `send`: the option; empty: all tensors and strings. `domain`: to look up which files there are at all; null:
  // not known. `codec`: draws samples and writes their files.
  Fields(std::string who, std::vector<std::string> send, const Domain* domain, std::shared_ptr<const Codec> codec)
      : who_(std::move(who)), send_(std::move(send)), domain_(domain), codec_(std::move(codec)) {}

  // For Plugin::check_domain(): the names in `send` that no sample of the domain has, as far as a sample decoded from zeros and the
  // domain's examples show it. A domain without examples may have a file ("name.ending") that neither shows; pack() finds that.
  std::vector<OptionProblem> problems() const;

  // Of `count` samples. Throws StageError where there is no such field, or it cannot be sent.
  Packed pack(const Sample& sample, std::int64_t count) const;

 private:
  void add(Packed& packed, const std::string& name, const Sample& sample, std::int64_t count) const;
  void add_tensor(Packed& packed, const std::string& name, const at::Tensor& tensor, std::int64_t count) const;
  void add_strings(Packed& packed, const std::string& name, const std::vector<std::string>& values, std::int64_t count) const;
  void add_images(Packed& packed, const Sample& sample, std::int64_t count) const;
  void add_records(Packed& packed, const std::string& name, const Sample& sample, std::int64_t count) const;
  const std::set<std::string>& files_of_examples() const;
  bool may_be_file(const std::string& name, const Sample& sample) const;
  std::string unknown(const std::string& name, const Sample& sample) const;  // the message, which goes on from `who`

  std::string who_;
  std::vector<std::string> send_;
  const Domain* domain_;
  std::shared_ptr<const Codec> codec_;
  mutable std::mutex mutex_;
  mutable std::optional<std::set<std::string>> files_of_examples_;
};

}  // namespace espalier::program
