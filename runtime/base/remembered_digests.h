#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "runtime/base/digest.h"

namespace espalier {

// Digests that are costly to compute, remembered across runs by the identity of the file they were computed from (device, inode, size,
// mtime, ctime). They serve plans and keys; what is read for use is hashed as it is read. Any thread.
class RememberedDigests {
 public:
  virtual ~RememberedDigests() = default;
  // `what` says which digest of the file it is ("pixels"): one file may have several.
  virtual Hex of(const std::filesystem::path& file, const std::string& what, const std::function<Hex()>& compute) = 0;
};

}  // namespace espalier
