#include "runtime/report/tensorboard.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <ctime>
#include <map>
#include <type_traits>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/report/files.h"

namespace espalier::report {
namespace {

enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

template <typename Unsigned>
std::string little_endian(Unsigned value) {
  static_assert(std::is_unsigned_v<Unsigned>);
  std::string out;
  for (std::size_t i = 0; i < sizeof(value); ++i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
  return out;
}

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7FU) | 0x80U);
  out += static_cast<char>(value);
  return out;
}

std::string field(unsigned number, Wire wire) { return varint(number << 3 | static_cast<unsigned>(wire)); }

std::string bytes_field(unsigned number, std::string_view bytes) {
  return field(number, Wire::bytes) + varint(bytes.size()) + std::string(bytes);
}

std::string double_field(unsigned number, double value) {
  return field(number, Wire::fixed64) + little_endian(std::bit_cast<std::uint64_t>(value));
}

std::uint32_t masked_crc(std::string_view bytes) {
  const auto crc = crc32c(bytes);
  return std::rotr(crc, 15) + 0xa282ead8U;
}

// Seconds since 1970 of "2026-01-31T12:00:00Z", with or without a fraction.
double epoch_seconds(const std::string& iso) {
  std::tm time{};
  const char* rest = strptime(iso.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (rest == nullptr) throw InternalError("the record's start '" + iso + "' is not an ISO 8601 time such as 2026-01-31T12:00:00Z");
  return static_cast<double>(timegm(&time));
}

std::string findings_events(const Findings& findings, double wall_time) {
  std::string events;
  const auto names = unique_names(findings.scalars);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& scalar = findings.scalars[i];
    events += tfrecord(scalar_event(wall_time, 0, names[i], scalar.value));
    if (scalar.interval == intervals::Kind::none) continue;
    events += tfrecord(scalar_event(wall_time, 0, names[i] + "/low", scalar.low));
    events += tfrecord(scalar_event(wall_time, 0, names[i] + "/high", scalar.high));
  }
  for (const auto& image : findings.images) events += tfrecord(image_event(wall_time, 0, image.name, image.image));
  return events;
}

std::string summary_event(double wall_time, std::int64_t step, const std::string& value) {
  return double_field(1, wall_time) + field(2, Wire::varint) + varint(static_cast<std::uint64_t>(step)) +
         bytes_field(5, bytes_field(1, value));
}

}  // namespace

std::string tfrecord(std::string_view data) {
  const auto length = little_endian(static_cast<std::uint64_t>(data.size()));
  return length + little_endian(masked_crc(length)) + std::string(data) + little_endian(masked_crc(data));
}

std::string scalar_event(double wall_time, std::int64_t step, const std::string& tag, double value) {
  const auto number = field(2, Wire::fixed32) + little_endian(std::bit_cast<std::uint32_t>(static_cast<float>(value)));
  return summary_event(wall_time, step, bytes_field(1, tag) + number);
}

std::string image_event(double wall_time, std::int64_t step, const std::string& tag, const Image& image) {
  constexpr std::uint64_t kRgb = 3;
  const auto size = field(1, Wire::varint) + varint(static_cast<std::uint64_t>(image.height)) + field(2, Wire::varint) +
                    varint(static_cast<std::uint64_t>(image.width)) + field(3, Wire::varint) + varint(kRgb);
  return summary_event(wall_time, step, bytes_field(1, tag) + bytes_field(4, size + bytes_field(4, encode_png(image))));
}

std::string version_event(double wall_time) { return double_field(1, wall_time) + bytes_field(3, "brain.Event:2"); }

void write_tensorboard(const exec::Record& record, const std::filesystem::path& folder) {
  const double began = epoch_seconds(record.started);
  std::map<std::string, double> wall_time;
  for (const auto& stage : record.stages) wall_time[stage.tag] = began + stage.start_seconds;
  const auto at = [&](const std::string& stage) { return wall_time.contains(stage) ? wall_time.at(stage) : began; };
  const auto recorded = [&](double time, const std::string& stage) { return std::isnan(time) ? at(stage) : time; };

  std::map<std::string, std::string> events;  // by stage
  for (const auto& curve : record.curves) {
    for (std::size_t i = 0; i < curve.step.size(); ++i) {
      const double time = recorded(i < curve.time.size() ? curve.time[i] : std::nan(""), curve.stage);
      events[curve.stage] += tfrecord(scalar_event(time, curve.step[i], curve.name, curve.value.at(i)));
    }
  }
  for (const auto& [stage, findings, time] : record.findings) {
    auto found = findings_events(findings, recorded(time, stage));
    if (!found.empty()) events[stage] += found;
  }

  make_folder(folder);
  for (const auto& [stage, bytes] : events) {
    make_folder(folder / folder_name(stage));
    const auto file = fmt::format("events.out.tfevents.{:010}.espalier", static_cast<std::int64_t>(at(stage)));
    write_file(folder / folder_name(stage) / file, tfrecord(version_event(at(stage))) + bytes);
  }
}

}  // namespace espalier::report
