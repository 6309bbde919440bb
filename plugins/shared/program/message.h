#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/value.h"

// Messages of docs/process_protocol.md:
//   message = "ESPL" header_length:u32 payload_length:u64 header payload    little-endian; the header is JSON with the key "type"
namespace espalier::program {

inline constexpr std::int64_t kProtocol = 1;
inline constexpr std::uint64_t kMostHeaderBytes = std::uint64_t{64} << 20;
inline constexpr std::uint64_t kMostPayloadBytes = std::uint64_t{16} << 30;

// A message to send. The payload's parts are borrowed: they are written from where they lie.
class Outgoing {
 public:
  // Throws StageError where the message is above the protocol's limits: a smaller batch is right then.
  explicit Outgoing(const Value& header, std::vector<std::string_view> payload = {});

  const std::string& type() const { return type_; }
  std::vector<std::string_view> parts() const;  // what is written, in order
  std::uint64_t bytes() const;

 private:
  std::string type_;
  std::string head_;  // the lengths and the header
  std::vector<std::string_view> payload_;
};

struct Reply {
  Value header;
  std::string payload;
};

// The answer that is due, as its bytes come in. What is wrong is refused at the first byte that shows it, a length before anything of that
// length is read. Throws Failure.
class Incoming {
 public:
  // Of this type, with a payload of exactly so many bytes.
  Incoming(std::string type, std::uint64_t payload_bytes) : type_(std::move(type)), payload_bytes_(payload_bytes) {}

  void add(std::string_view bytes);
  bool complete() const;
  Reply reply() const;

 private:
  void check_lengths();
  std::string type_;
  std::uint64_t payload_bytes_;
  std::string bytes_;
  std::uint64_t header_bytes_ = 0;  // once it is known
};

// Bytes as a message quotes them: the first line, cut.
std::string quote(std::string_view bytes);

}  // namespace espalier::program
