#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "plugins/domain/text_to_image/source.h"
#include "runtime/base/remembered_digests.h"

namespace espalier::text_to_image {

struct IdxFiles {
  std::filesystem::path folder;
  std::string train_images, train_labels;
  std::string test_images, test_labels;  // both "": no held-out images
  std::vector<std::string> class_names;  // label k is class_names[k]
};

// Grey images with labels (Fashion-MNIST's files): a class's name is its prompt, in both splits; metadata {"label": k, "class": name}. The
// images of "train" and "held_out" are those of the train and test files. Keyed by what the files hold, compressed or not; `remembered`
// keeps the digests (null: nothing does). Throws DataError on files that do not fit together and on a label without a name.
std::unique_ptr<Source> make_idx_source(IdxFiles files, std::int64_t resolution, RememberedDigests* remembered = nullptr);

}  // namespace espalier::text_to_image
