#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/node.h"
#include "runtime/config/resolve.h"

namespace espalier::config {

struct Document::Impl {
  Node root;
  std::string origin;
  std::string text;
  std::vector<std::string> overrides;
  Problems problems;  // of overrides, and those of parsing that do not end it
};

// Parses TOML text into a tree. Throws ConfigError at a syntax error, and if the text is larger or more deeply nested than allowed. What
// TOML allows and a pipeline does not (dates) is added to `problems`.
Node parse_toml(std::string_view text, const std::string& origin, Problems& problems);

// Parses the right-hand side of an override: a TOML value, otherwise a bare string. Throws ConfigError if it is neither ("[1, 2",
// "\"open").
Node parse_override_value(const std::string& text, const SourceSpan& where);

// Applies "path=value" to the tree. Adds a problem if the path names nothing.
void apply_override(const std::string& override_text, Node& root, Problems& problems);

}  // namespace espalier::config
