#pragma once

#include <filesystem>

namespace espalier::plugin {

// Loading a library runs its code, so only this user and root may be able to replace it. `library` is canonical.
// Throws PluginError, without the library's name, when the file, its folder, or a parent folder without the sticky bit is writable by
// others, when the file or its folder belongs to another user than this one or root, or when it is not a regular file.
void expect_trusted(const std::filesystem::path& library);

// The same of a folder of plugins alone, named in the message.
void expect_trusted_folder(const std::filesystem::path& folder);

}  // namespace espalier::plugin
