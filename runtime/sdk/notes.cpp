#include "runtime/sdk/notes.h"

#include "runtime/base/text.h"

namespace espalier {

Noted::~Noted() = default;

std::vector<std::string> notes_of(const Plugin& plugin) {
  const auto* noted = dynamic_cast<const Noted*>(&plugin);
  if (noted == nullptr) return {};
  auto lines = noted->notes();
  for (auto& line : lines) line = as_utf8(line);  // a note may quote a file's name or its content
  return lines;
}

}  // namespace espalier
