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
  Problems problems;  // of parsing that do not stop it, and of overrides
};

// TOML text as a tree. Throws ConfigError at a syntax error, and when the text is larger or deeper nested than allowed; what TOML allows
// and a pipeline does not (dates) goes to `problems`.
Node parse_toml(std::string_view text, const std::string& origin, Problems& problems);

// The right-hand side of an override: a TOML value, else a bare string. Throws ConfigError when it is neither ("[1, 2", "\"open").
Node parse_override_value(const std::string& text, const SourceSpan& where);

// Puts "path=value" into the tree. What names nothing goes to `problems`.
void apply_override(const std::string& override_text, Node& root, Problems& problems);

}  // namespace espalier::config
