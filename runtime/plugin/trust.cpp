#include "runtime/plugin/trust.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/errors.h"

namespace espalier::plugin {
namespace {

struct stat status_of(const std::filesystem::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) throw PluginError(fmt::format("cannot be read: {}: {}", path.string(), std::strerror(errno)));
  return status;
}

void expect_owner(const struct stat& status, const std::string& what) {
  if (status.st_uid == 0 || status.st_uid == ::geteuid()) return;
  throw PluginError(
      fmt::format("is not loaded: {} belongs to user {}; it must belong to you (user {}) or to root", what, status.st_uid, ::geteuid()));
}

void expect_private(const struct stat& status, const std::filesystem::path& path, const std::string& what) {
  if ((status.st_mode & S_IWOTH) == 0) return;
  throw PluginError(
      fmt::format("is not loaded: {} is writable by others (mode {:04o}): chmod o-w '{}'", what, status.st_mode & 07777, path.string()));
}

void expect_private_parents(const std::filesystem::path& folder) {
  for (std::filesystem::path parent = folder.parent_path();; parent = parent.parent_path()) {
    const struct stat status = status_of(parent);
    // In a sticky folder (/tmp) others may add entries but not replace ours.
    if ((status.st_mode & S_ISVTX) == 0) expect_private(status, parent, fmt::format("the parent folder '{}'", parent.string()));
    if (parent == parent.root_path()) return;
  }
}

}  // namespace

void expect_trusted_folder(const std::filesystem::path& folder) {
  const struct stat status = status_of(folder);
  const std::string what = fmt::format("its folder '{}'", folder.string());
  expect_private(status, folder, what);
  expect_owner(status, what);
  expect_private_parents(folder);
}

void expect_trusted(const std::filesystem::path& library) {
  const struct stat status = status_of(library);
  if (!S_ISREG(status.st_mode)) throw PluginError("is not a regular file");
  expect_private(status, library, "the file");
  expect_owner(status, "the file");
  expect_trusted_folder(library.parent_path());
}

}  // namespace espalier::plugin
