#pragma once

#include <string>
#include <string_view>

#include "runtime/base/value.h"

namespace espalier::cache {

// A table as JSON text whose last field, "crc32c", is the CRC32C (8 hex digits) of every byte before that field's comma: one flipped bit
// anywhere in the text is always noticed.
std::string seal(const Value& table);

// The table without its crc32c. Throws DataError naming origin when the text is not what seal() wrote.
Value unseal(std::string_view text, const std::string& origin);

}  // namespace espalier::cache
