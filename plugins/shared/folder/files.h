#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

// Which files of a folder are data: one rule for every reader of folders.
namespace espalier::folder {

// The files below a folder, its subfolders' included. Links to files and to folders are followed. A folder is read once: one that is read
// already, and a link to one that contains the folder listed, is passed over and counted; folders that really lie there go before links to
// them. A file is listed once for each of its names, as stores of content (DVC's) mean it: a link to a file that is listed under another
// name is counted. Names that begin with '.' are passed over and counted, a hidden folder as one.
struct FileList {
  std::vector<std::filesystem::path> files;  // relative to the folder, sorted
  std::vector<std::filesystem::path> hidden;
  std::vector<std::filesystem::path> repeated;    // folders, and links to folders, that were read already or contain this one
  std::vector<std::filesystem::path> read_again;  // links, of `files`, to files that are among them under another name
  std::string note() const;                       // "<folder>: passed over 2 hidden files or folders (.thumbs; .a.png)", "" for nothing
  std::filesystem::path folder;
};

// Throws DataError naming a link whose target is not there, what is neither file nor folder, or a folder that cannot be read.
FileList list_files(const std::filesystem::path& folder);

// The most that a gzip'ed file of data may unpack to, so that a small file cannot fill the memory: 256 MiB, or 256 times its own size where
// that is more.
std::uint64_t unpacked_limit(std::uint64_t packed_size);

std::string lower_case(std::string text);  // ASCII

}  // namespace espalier::folder
