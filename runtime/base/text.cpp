#include "runtime/base/text.h"

#include <nlohmann/json.hpp>

namespace espalier {

bool is_utf8(const std::string& text) try {
  nlohmann::json(text).dump();
  return true;
} catch (const nlohmann::json::exception&) {
  return false;
}

std::string as_utf8(const std::string& text) {
  const auto quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(quoted).get<std::string>();
}

}  // namespace espalier
