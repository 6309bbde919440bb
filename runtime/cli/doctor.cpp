// cache doctor: what the folder's file system can do, before anything is computed into it.
#include <fmt/format.h>

#include <cstring>

#include "runtime/base/errors.h"
#include "runtime/base/file_system.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/cache/paths.h"
#include "runtime/cli/cache_actions.h"

namespace espalier::cli {
namespace {

namespace fs = std::filesystem;

struct Finding {
  std::string what;
  int failure;  // errno, 0: it works
  std::string means;
};

std::vector<Finding> findings_of(const FileSystemAbilities& found) {
  std::vector<Finding> findings = {
      {"making files", found.make_files, found.make_files == 0 ? "" : "nothing can be computed into this folder"}};
  if (found.make_files != 0) return findings;
  findings.push_back({"hard links", found.link,
                      found.link == 0 ? "files are published by them" : "files are published by a rename that replaces nothing"});
  findings.push_back({"rename that replaces nothing", found.rename_no_replace,
                      found.rename_no_replace == 0
                          ? "folders are published by it"
                          : "folders are published by a plain rename, which replaces no folder that holds a file"});
  findings.push_back({"locks (flock)", found.lock,
                      found.lock == 0 ? "trainings of one model, and repairs, wait for each other"
                                      : "the same by lock files; one whose holder died on another machine is removed by hand"});
  findings.push_back({"fsync of folders", found.folder_fsync,
                      found.folder_fsync == 0 ? "what is reported done survives a power cut"
                                              : "what is reported done survives a kill; after a power cut some may be computed again"});
  return findings;
}

// The folder itself, or the nearest one above that is there.
fs::path nearest_folder(fs::path folder) {
  std::error_code error;  // what may not be looked into is examined as it is
  while (!folder.empty() && !fs::exists(folder, error) && !error) folder = folder.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

}  // namespace

int doctor(const fs::path& root, bool json) {
  const auto folder = nearest_folder(root);
  const auto found = examine_file_system(cache::Paths(folder).trial());
  const bool fit = found.make_files == 0 && found.can_publish();
  const auto free = free_bytes(folder);
  std::string text = fmt::format("{}: {}\n", root.string(), folder == root ? "examined" : "is not there yet; examined " + folder.string());
  Value::List described;
  for (const auto& [what, failure, means] : findings_of(found)) {
    const std::string reason = failure == 0 ? "" : std::strerror(failure);
    described.push_back(Value::Map{{"what", what}, {"works", failure == 0}, {"reason", reason}, {"means", means}});
    text += fmt::format("{:<30} {}{}\n", what, failure == 0 ? "yes" : "no (" + reason + ")", means.empty() ? "" : ": " + means);
  }
  text += fmt::format("{:<30} {}\n", "free space", human(static_cast<std::int64_t>(free)));
  text += fit                     ? "fit for a cache\n"
          : found.make_files != 0 ? "not fit: name a folder that may be written to\n"
                                  : "not fit: name a folder on another file system\n";
  print(json ? to_json(Value(Value::Map{{"cache", root.string()},
                                        {"examined", folder.string()},
                                        {"findings", std::move(described)},
                                        {"free_bytes", static_cast<std::int64_t>(free)},
                                        {"fit", fit}}),
                       2) +
                   "\n"
             : text);
  return static_cast<int>(fit ? ExitCode::ok : ExitCode::cache);
}

}  // namespace espalier::cli
