#include "runtime/cache/sealed.h"

#include <fmt/format.h>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"

namespace espalier::cache {
namespace {

std::string closing(std::string_view body) { return fmt::format(",\n  \"crc32c\": \"{:08x}\"\n}}\n", crc32c(body)); }

}  // namespace

std::string seal(const Value& table) {
  auto body = to_json(table, 2);
  if (table.as_map().empty() || !body.ends_with("\n}")) throw InternalError("only a table with fields can be sealed");
  body.resize(body.size() - 2);
  return body + closing(body);
}

Value unseal(std::string_view text, const std::string& origin) {
  const auto size = closing("").size();
  if (text.size() <= size) throw DataError(origin + ": is cut short (" + std::to_string(text.size()) + " bytes)");
  const auto body = text.substr(0, text.size() - size);
  if (text.substr(body.size()) != closing(body)) throw DataError(origin + ": its CRC32C does not match its content");
  return parse_json(std::string(body) + "}", origin);
}

}  // namespace espalier::cache
