#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace espalier::plugin {

// "key=value" lines, as the stamp is written into a library's note.
using Stamp = std::map<std::string, std::string>;
Stamp parse_stamp(const std::string& text);

// Reads the stamp out of a library's bytes; nothing of it is mapped or run. The file must be a shared library of this machine's kind
// (ELF64, its byte order and processor) with a section
//
//   .note.espalier = namesz:u32 descsz:u32 type:u32 "espalier\0" padding4 desc padding4      desc: the stamp's text
//
// and must export the function espalier_register. Throws PluginError, without the file's name, saying what was found and the fix.
Stamp read_stamp(const std::filesystem::path& library);

}  // namespace espalier::plugin
