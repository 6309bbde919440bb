#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/shared/folder/data.h"
#include "runtime/base/digest.h"
#include "runtime/base/remembered_digests.h"

namespace espalier::unconditional {

// The images of a split.
class Images {
 public:
  virtual ~Images() = default;
  virtual std::int64_t size() const = 0;
  virtual Hex digest() const = 0;
  struct Batch {
    at::Tensor image;                 // [B, C, H, W] float in [0, 1]
    std::vector<std::int64_t> label;  // [B], below the number of class names; empty where there are none
  };
  virtual Batch at(const std::vector<std::int64_t>& rows) const = 0;  // thread-safe; rows below size()
};

// Where images come from: the generated set, a folder or IDX files. Immutable once made.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::int64_t channels() const = 0;  // 1 or 3
  virtual std::int64_t height() const = 0;
  virtual std::int64_t width() const = 0;
  virtual std::vector<std::string> splits() const = 0;
  virtual std::vector<std::string> class_names() const { return {}; }
  virtual std::vector<std::string> notes() const { return {}; }                // what was passed over, for a person
  virtual std::unique_ptr<Images> images(const std::string& split) const = 0;  // `split` is one of splits()
};

using folder::HeldOut;

// The places of the names that each split has: "train", and "held_out" with a fraction. Throws ConfigError when none is left to train on.
std::map<std::string, std::vector<std::int64_t>> split_places(const std::vector<std::string>& names, const HeldOut& held_out);

// All images of a folder (images::list_images), in the order of their paths. Grey if all of them are stored so, else RGB over black.
// Keyed by their pixels, whose digests `remembered` keeps (null: nothing does). Throws DataError: no image, one of another format, or mixed
// sizes with resolution 0.
std::unique_ptr<Source> make_folder_source(const std::filesystem::path& folder, const HeldOut& held_out, std::int64_t resolution,
                                           RememberedDigests* remembered = nullptr);

struct IdxFiles {
  std::filesystem::path folder;
  std::string train_images, test_images;  // test_images "": HeldOut splits the train file
  std::string train_labels, test_labels;  // read where there are class names
  std::vector<std::string> class_names;   // label k is class_names[k]
};
// Keyed by what the files hold, compressed or not. Throws DataError: a file that is none, or a label without a name.
std::unique_ptr<Source> make_idx_source(const IdxFiles& files, const HeldOut& held_out, std::int64_t resolution,
                                        RememberedDigests* remembered = nullptr);

}  // namespace espalier::unconditional
