#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/sdk/encoding.h"

namespace espalier::classifier {

// The names of label 0, 1, ..., from the metadata {"label", "class"} of a domain's conditions, all splits together; or from the metadata
// {"class_names": [...]} of a domain whose only condition is the null one, and whose examples carry their own label. Throws ConfigError
// when a condition lacks a label or a name, when a label has two names, or when a label below the largest has none.
std::vector<std::string> class_names(const Domain& domain);

// A part of a split's examples as images with labels: "all", or those at even or at odd positions, two disjoint halves. An image's
// copies (turned, mirrored) are in its half.
class LabelledImages {
 public:
  // `order` shuffles each epoch. Throws ConfigError when the domain's samples are not images or the part is empty.
  LabelledImages(const Domain& domain, const std::string& split, const std::string& part, random::StreamKey order);

  struct Batch {
    at::Tensor image;  // [B, C, H, W] float in [0, 1]
    at::Tensor label;  // [B] int64
  };
  // A function of the positions alone: position p of the training stream is image p of a generated split, or in epoch p / size() the
  // shuffled one of a finite split.
  Batch at(const std::vector<std::uint64_t>& positions) const;
  Batch in_order(std::uint64_t first, std::uint64_t count) const;  // unshuffled
  std::uint64_t size() const { return size_; }                     // 0: without end

 private:
  Batch read(std::vector<std::uint64_t> rows) const;  // rows of the part
  const Domain& domain_;
  std::unique_ptr<Examples> examples_;
  std::uint64_t stride_ = 1;  // row r of the part is example stride r + offset, before copies begin
  std::uint64_t offset_ = 0;
  std::uint64_t distinct_ = 0, own_ = 0;  // of a finite split: images before copies begin, and how many of them are the part's
  std::uint64_t size_ = 0;
  random::StreamKey order_;
};

}  // namespace espalier::classifier
