#pragma once

#include <filesystem>
#include <string>

#include "runtime/exec/record.h"

namespace espalier::report {

inline const std::string kHostile = "</script><script>alert(1)</script> \"quoted\" & 'single' \xE2\x80\xA8 <img src=x onerror=alert(2)>";

// A run as the demo's: a base model sampled, scored and filtered, two fine-tuned ones, three evaluations; one prompt is kHostile.
exec::Record fixture();

// A folder that is removed with its contents.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace espalier::report
