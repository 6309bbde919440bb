#include "runtime/sdk/notes.h"

namespace espalier {

Noted::~Noted() = default;

std::vector<std::string> notes_of(const Plugin& plugin) {
  const auto* noted = dynamic_cast<const Noted*>(&plugin);
  return noted == nullptr ? std::vector<std::string>() : noted->notes();
}

}  // namespace espalier
