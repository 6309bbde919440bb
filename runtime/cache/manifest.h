#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/cache/index.h"

namespace espalier::cache {

inline constexpr const char* kManifestName = "manifest.json";

// manifest.json of a result: what it is and which files belong to it.
struct Manifest {
  struct File {
    std::string path;  // relative, with '/'
    std::int64_t bytes = 0;
    Hex sha256;
  };
  std::string kind;
  Hex key;
  Value request;
  Value info;
  std::vector<File> files;  // sorted by path
  std::int64_t published_ns = 0;
  Hex digest() const;  // of paths, sizes and SHA-256
};

std::string write_manifest(const Manifest& manifest);
// Throws DataError when it is damaged or another result's.
Manifest read_manifest(std::string_view text, const std::string& kind, const Hex& key, const std::string& origin);

// Regular files beneath, relative and sorted. Throws StageError for anything else (a link, a pipe) and for a file named manifest.json.
std::vector<std::string> files_beneath(const std::filesystem::path& folder);

}  // namespace espalier::cache
