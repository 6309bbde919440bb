#include "runtime/report/tensorboard.h"

#include <gtest/gtest.h>

namespace espalier::report {
namespace {

std::string bytes(std::initializer_list<int> list) {
  std::string out;
  for (const int byte : list) out += static_cast<char>(byte);
  return out;
}

// The first record of every event file that TensorFlow writes, up to its time.
TEST(TensorBoard, FramesARecordAsTfrecordDoes) {
  const auto record = tfrecord(version_event(0.0));
  const auto header = bytes({0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22});
  EXPECT_EQ(record.substr(0, 12), header);
  EXPECT_EQ(record.substr(12, 11), bytes({0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a, 0x0d}));
  EXPECT_EQ(record.substr(23, 13), "brain.Event:2");
  EXPECT_EQ(record.size(), 12U + 24U + 4U);
}

TEST(TensorBoard, EncodesAScalarAsTheProtocolBufferDoes) {
  EXPECT_EQ(
      scalar_event(0.0, 300, "loss", 0.5),
      bytes({0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0xac, 0x02, 0x2a, 0x0d, 0x0a, 0x0b, 0x0a, 0x04}) + "loss" + bytes({0x15, 0, 0, 0, 0x3f}));
}

}  // namespace
}  // namespace espalier::report
