#pragma once

#include <filesystem>
#include <istream>
#include <memory>

namespace espalier::layout {

// A text file read as a stream, gzip'ed or not. Opening and reading throw DataError naming the file: not there, no
// regular file, cut off, damaged, or a gzip'ed one that unpacks beyond folder::unpacked_limit.
std::unique_ptr<std::istream> open_text(const std::filesystem::path& path);

}  // namespace espalier::layout
