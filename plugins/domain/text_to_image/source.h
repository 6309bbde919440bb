#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/value.h"

namespace espalier::text_to_image {

// The prompts of a split; a prompt's number is its place here.
struct Prompts {
  std::vector<std::string> text;
  std::vector<Value> metadata;
};

// The images of a split.
class Images {
 public:
  virtual ~Images() = default;
  virtual std::int64_t size() const = 0;  // 0: without end
  virtual Hex digest() const = 0;
  struct Batch {
    at::Tensor image;                  // [B, C, H, W] float in [0, 1]
    std::vector<std::int64_t> prompt;  // [B], numbers of the split's prompts
  };
  virtual Batch at(const std::vector<std::uint64_t>& positions) const = 0;  // thread-safe; positions below size() where that is finite
};

// Where prompts and images come from: the shapes world, a folder or IDX files. Immutable once made.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::int64_t channels() const = 0;
  virtual std::int64_t height() const = 0;
  virtual std::int64_t width() const = 0;
  virtual std::vector<std::string> splits() const = 0;
  virtual std::vector<std::string> notes() const { return {}; }  // what was passed over, for a person
  virtual Prompts prompts(const std::string& split) const = 0;   // `split` is one of splits()
  virtual std::unique_ptr<Images> images(const std::string& split) const = 0;
};

}  // namespace espalier::text_to_image
