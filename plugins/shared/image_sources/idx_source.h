#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "plugins/shared/folder/data.h"
#include "plugins/shared/image_sources/source.h"
#include "runtime/base/remembered_digests.h"

namespace espalier::images {

struct IdxFiles {
  std::filesystem::path folder;
  std::string train_images, train_labels;  // labels are read where there are class names
  std::string test_images, test_labels;    // test_images "": HeldOut splits the train file
  std::vector<std::string> class_names;    // label k is class_names[k]
};

// Grey images, with labels where there are class names (Fashion-MNIST's files); captions are the classes, in both splits. Keyed by what the
// files hold, compressed or not; `remembered` keeps the digests (null: nothing does). Throws DataError, naming `plugin` or the file, on
// files that are none or do not fit together, and on a label without a name.
std::unique_ptr<Source> make_idx_source(const std::string& plugin, const IdxFiles& files, const folder::HeldOut& held_out,
                                        std::int64_t resolution, RememberedDigests* remembered = nullptr);

}  // namespace espalier::images
