#include "runtime/base/source_span.h"

namespace espalier {

std::string SourceSpan::to_string() const {
  if (line == 0) return file;
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

}  // namespace espalier
