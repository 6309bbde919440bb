#pragma once

#include <filesystem>

namespace espalier {

// Which calls of publishing and locking a file system supports: for each, 0 or the errno with which it failed.
struct FileSystemAbilities {
  int make_files = 0;  // where no file can be made the others are unknown, and 0
  int link = 0;        // from one folder into another
  int rename_no_replace = 0;
  int lock = 0;
  int folder_fsync = 0;

  // False where the file system is known to lack both ways of publishing a whole file under an absent name.
  bool can_publish() const;
};

// Tries each call in `scratch`, an absent path in an existing folder, and removes it again.
FileSystemAbilities examine_file_system(const std::filesystem::path& scratch);

}  // namespace espalier
