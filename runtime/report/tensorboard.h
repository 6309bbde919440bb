#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/exec/record.h"

namespace espalier::report {

// TensorBoard event files, written without TensorFlow. A file is a list of TFRecords,
//   record = length u64 | masked_crc32c(length) u32 | data | masked_crc32c(data) u32        (little-endian)
// each an Event of tensorboard/compat/proto/event.proto:
//   Event   = 1: wall_time double | 2: step int64 | 3: file_version string (the first record, "brain.Event:2") | 5: Summary
//   Summary = 1: Value *          Value = 1: tag string | 2: simple_value float | 4: Image
//   Image   = 1: height | 2: width | 3: colorspace (3: RGB) | 4: encoded_image_string (PNG)

std::string tfrecord(std::string_view data);
std::string scalar_event(double wall_time, std::int64_t step, const std::string& tag, double value);
std::string image_event(double wall_time, std::int64_t step, const std::string& tag, const Image& image);
std::string version_event(double wall_time);

// A subfolder a stage, with its curves (a scalar a step) and its findings (a scalar each, and <name>/low and <name>/high where there is an
// interval; its images), each with the wall time at which it was computed, or its stage's start where that is not recorded. A stage with
// neither has no folder.
void write_tensorboard(const exec::Record& record, const std::filesystem::path& folder);

}  // namespace espalier::report
