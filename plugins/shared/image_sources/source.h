#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/value.h"

// Where the image domains' data comes from: generated, folders of image files, IDX files.
namespace espalier::images {

// What the images of a split show, in order: prompts, or classes.
struct Captions {
  std::vector<std::string> text;
  std::vector<Value> metadata;
};
// Class k is names[k]: metadata {"label": k, "class": names[k]}.
Captions captions_of_classes(const std::vector<std::string>& names);

// The images of a split.
class Images {
 public:
  virtual ~Images() = default;
  virtual std::int64_t size() const = 0;  // 0: without end
  virtual Hex digest() const = 0;
  struct Batch {
    at::Tensor image;                   // [B, C, H, W] float in [0, 1]
    std::vector<std::int64_t> caption;  // [B], of the split's captions; empty where there are none
  };
  virtual Batch at(const std::vector<std::uint64_t>& positions) const = 0;  // thread-safe; positions below size() where that is finite
};

// Immutable once made.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::int64_t channels() const = 0;  // 1 or 3
  virtual std::int64_t height() const = 0;
  virtual std::int64_t width() const = 0;
  virtual std::vector<std::string> splits() const = 0;
  virtual std::vector<std::string> notes() const { return {}; }  // what was passed over, for a person
  // `split` is one of splits(). Without captions: none.
  virtual Captions captions(const std::string& split) const {
    (void)split;
    return {};
  }
  // Without images (prompts alone) images() throws ConfigError.
  virtual bool has_images() const { return true; }
  virtual std::unique_ptr<Images> images(const std::string& split) const = 0;
};

}  // namespace espalier::images
