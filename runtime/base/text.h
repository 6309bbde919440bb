#pragma once

#include <string>

namespace espalier {

// Whether a text is valid UTF-8, as JSON and reports are. A path or an argument may be any bytes.
bool is_utf8(const std::string& text);

// The text with U+FFFD for what is no UTF-8 in it, so that a message or a report can show it.
std::string as_utf8(const std::string& text);

}  // namespace espalier
