#include "runtime/sdk/notes.h"

#include <nlohmann/json.hpp>

namespace espalier {
namespace {

// A note may quote a file's name or its content, which are any bytes; reports and JSON are UTF-8. What is none becomes U+FFFD.
std::string as_utf8(const std::string& line) {
  const auto quoted = nlohmann::json(line).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(quoted).get<std::string>();
}

}  // namespace

Noted::~Noted() = default;

std::vector<std::string> notes_of(const Plugin& plugin) {
  const auto* noted = dynamic_cast<const Noted*>(&plugin);
  if (noted == nullptr) return {};
  auto lines = noted->notes();
  for (auto& line : lines) line = as_utf8(line);
  return lines;
}

}  // namespace espalier
