#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace espalier::report {

// A stage's tag as one folder name: bytes other than letters, digits, "_", "-" and a "." that is not the first are percent-encoded,
// so that two tags never share a folder and none leaves the run's.
std::string folder_name(std::string_view tag);

// Writes a file that is not there yet. Throws StageError naming it. A report can be written again from the cache, so it is not fsynced.
void write_file(const std::filesystem::path& path, std::string_view bytes);
void make_folder(const std::filesystem::path& path);  // one level, or nothing where it exists; throws StageError

}  // namespace espalier::report
