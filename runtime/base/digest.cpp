#include "runtime/base/digest.h"

#include <openssl/evp.h>

#include <vector>

#include "runtime/base/errors.h"
#include "runtime/base/regular_file.h"

namespace espalier {

struct Sha256::Context {
  EVP_MD_CTX* handle = EVP_MD_CTX_new();
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(handle); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (!context_->handle || EVP_DigestInit_ex(context_->handle, EVP_sha256(), nullptr) != 1) {
    throw InternalError("OpenSSL cannot start a SHA-256");
  }
}

Sha256::~Sha256() = default;

void Sha256::update(const void* data, std::size_t size) {
  if (EVP_DigestUpdate(context_->handle, data, size) != 1) throw InternalError("OpenSSL cannot continue a SHA-256");
}

std::array<std::uint8_t, 32> Sha256::finish() {
  std::array<std::uint8_t, 32> out{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_->handle, out.data(), &size) != 1 || size != out.size()) {
    throw InternalError("OpenSSL cannot finish a SHA-256 (finished twice?)");
  }
  return out;
}

Hex Sha256::finish_hex() {
  static constexpr char kDigits[] = "0123456789abcdef";
  Hex out;
  for (const auto byte : finish()) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

Hex sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish_hex();
}

Hex digest(const Value& value) { return sha256(canonical_bytes(value)); }

Hex digest_file(const std::filesystem::path& path) {
  RegularFile file(path);
  Sha256 hash;
  std::vector<char> buffer(std::size_t{1} << 20);
  while (const auto count = file.read(buffer.data(), buffer.size())) hash.update(buffer.data(), count);
  return hash.finish_hex();
}

std::uint32_t crc32c(std::string_view bytes) {
  static const auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
      std::uint32_t rest = byte;
      for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) ? 0x82f63b78u : 0u);  // Castagnoli, reflected
      table[byte] = rest;
    }
    return table;
  }();
  std::uint32_t rest = 0xffffffffu;
  for (const char byte : bytes) rest = (rest >> 8) ^ kTable[(rest ^ static_cast<std::uint8_t>(byte)) & 0xff];
  return ~rest;
}

}  // namespace espalier
