#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/value.h"

namespace espalier {

// SHA-256, as 64 lower-case hex digits.
using Hex = std::string;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(const void* data, std::size_t size);
  void update(std::string_view bytes) { update(bytes.data(), bytes.size()); }
  std::array<std::uint8_t, 32> finish();  // once
  Hex finish_hex();                       // once

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Hex sha256(std::string_view bytes);
Hex digest(const Value& value);                      // of canonical_bytes(value)
Hex digest_file(const std::filesystem::path& path);  // reads the whole file; throws DataError

std::uint32_t crc32c(std::string_view bytes);

}  // namespace espalier
