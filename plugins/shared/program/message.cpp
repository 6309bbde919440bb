#include "plugins/shared/program/message.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <utility>

#include "plugins/shared/program/failure.h"
#include "runtime/base/errors.h"
#include "runtime/base/text.h"

namespace espalier::program {
namespace {

static_assert(std::endian::native == std::endian::little, "payloads are written as they lie in memory");

constexpr std::string_view kMagic = "ESPL";
constexpr std::size_t kLengthsEnd = 16;  // of "ESPL" and both lengths

template <class Number>
Number number_at(const std::string& bytes, std::size_t place) {
  Number number;
  std::memcpy(&number, bytes.data() + place, sizeof number);
  return number;
}

template <class Number>
void append(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

}  // namespace

std::string quote(std::string_view bytes) {
  constexpr std::size_t kMost = 80;
  const auto line = bytes.substr(0, bytes.find_first_of("\r\n"));
  auto text = as_utf8(std::string(line.substr(0, kMost)));
  for (auto& c : text) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return "\"" + text + (line.size() > kMost ? "..." : "") + "\"";
}

Outgoing::Outgoing(const Value& header, std::vector<std::string_view> payload)
    : type_(header.at("type").as_string()), payload_(std::move(payload)) {
  const auto json = to_json(header);
  std::uint64_t bytes = 0;
  for (const auto& part : payload_) bytes += part.size();
  if (json.size() > kMostHeaderBytes || bytes > kMostPayloadBytes) {
    throw StageError(
        fmt::format("a message `{}` has a header of {} bytes and a payload of {}, above the protocol's {} and {}; set "
                    "batch_size lower, or send fewer fields by the option send",
                    type_, json.size(), bytes, kMostHeaderBytes, kMostPayloadBytes));
  }
  head_ = kMagic;
  append(head_, static_cast<std::uint32_t>(json.size()));
  append(head_, bytes);
  head_ += json;
}

std::vector<std::string_view> Outgoing::parts() const {
  std::vector<std::string_view> parts = {head_};
  for (const auto& part : payload_) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::uint64_t Outgoing::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& part : parts()) bytes += part.size();
  return bytes;
}

void Incoming::add(std::string_view bytes) {
  bytes_ += bytes;
  if (!kMagic.starts_with(std::string_view(bytes_).substr(0, kMagic.size()))) {
    throw Failure(
        fmt::format("wrote {} to its standard output, where only messages may be, instead of `{}`; let it print to its standard "
                    "error (a Python program: import espalier_reward before what prints)",
                    quote(bytes_), type_));
  }
  if (bytes_.size() < kLengthsEnd) return;
  if (header_bytes_ == 0) check_lengths();
  if (const auto all = kLengthsEnd + header_bytes_ + payload_bytes_; bytes_.size() > all) {
    throw Failure(fmt::format("wrote {} after its answer `{}`, where nothing is due", quote(std::string_view(bytes_).substr(all)), type_));
  }
}

void Incoming::check_lengths() {
  header_bytes_ = number_at<std::uint32_t>(bytes_, kMagic.size());
  const auto payload = number_at<std::uint64_t>(bytes_, kMagic.size() + sizeof(std::uint32_t));
  if (header_bytes_ == 0 || header_bytes_ > kMostHeaderBytes) {
    throw Failure(
        fmt::format("announced a header of {} bytes instead of `{}`; 1 to {} are allowed", header_bytes_, type_, kMostHeaderBytes));
  }
  if (payload == payload_bytes_) return;
  throw Failure(fmt::format("announced a payload of {} bytes, but that of `{}` has {}{}", payload, type_, payload_bytes_,
                            payload_bytes_ > 0 ? " here: 8 for each sample" : ""));
}

bool Incoming::complete() const { return header_bytes_ > 0 && bytes_.size() == kLengthsEnd + header_bytes_ + payload_bytes_; }

Reply Incoming::reply() const {
  Reply reply;
  try {
    reply.header = parse_json(std::string_view(bytes_).substr(kLengthsEnd, header_bytes_), "the header");
  } catch (const DataError& error) {
    throw Failure(fmt::format("sent a message whose header is wrong: {}", as_utf8(error.what())));
  }
  const auto* type = reply.header.is_map() ? reply.header.find("type") : nullptr;
  if (type == nullptr || *type != Value(type_)) {
    throw Failure(fmt::format("answered {}, where the type \"{}\" is due", quote(to_json(reply.header)), type_));
  }
  reply.payload = bytes_.substr(kLengthsEnd + header_bytes_);
  return reply;
}

}  // namespace espalier::program
