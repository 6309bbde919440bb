#pragma once

#include <cstdint>
#include <string>

namespace espalier {

// A place in a file a person wrote; printed as file:line:col. Line 0: no place (an override, say).
struct SourceSpan {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string to_string() const;
};

}  // namespace espalier
