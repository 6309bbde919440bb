#include "runtime/modelfile/safetensors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "runtime/base/errors.h"

namespace espalier::modelfile {
namespace {

std::string file_of(const std::string& header, std::size_t data_size) {
  std::string bytes;
  for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header + std::string(data_size, '\0');
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":[)" + shape + R"(],"data_offsets":[)" + offsets + "]}";
}

std::string two(const std::string& first, const std::string& second) { return "{" + first + "," + second + "}"; }

std::string message_of(const std::string& bytes) {
  try {
    parse_safetensors(bytes, "weights.safetensors");
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

constexpr const char* kOne = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

TEST(Safetensors, GivesBackWhatWasWritten) {
  const TensorMap tensors{
      {"a", at::arange(6, at::kFloat).reshape({2, 3})}, {"b", at::arange(3)}, {"c", at::ones({}, at::kBool)}, {"d", at::zeros({0, 5})}};
  const auto read = parse_safetensors(format_safetensors(tensors), "here");
  ASSERT_EQ(read.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_TRUE(at::equal(read.at(name), tensor)) << name;
    EXPECT_EQ(read.at(name).scalar_type(), tensor.scalar_type());
  }
}

TEST(Safetensors, WritesTheFormatsBytes) {
  const auto header = std::string(R"({"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)") +
                      R"("m":{"dtype":"U8","shape":[2],"data_offsets":[8,10]}})";
  auto padded = header;
  padded.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(format_safetensors({{"m", at::zeros({2}, at::kByte)}, {"n", at::zeros({1}, at::kLong)}}), file_of(padded, 10));
}

TEST(Safetensors, WritesATransposedTensorRowByRow) {
  const auto tensor = at::arange(6, at::kFloat).reshape({2, 3}).transpose(0, 1);
  EXPECT_TRUE(at::equal(parse_safetensors(format_safetensors({{"t", tensor}}), "here").at("t"), tensor));
}

TEST(Safetensors, ReadsFilesAndRefusesShortOnes) {
  const auto path = std::filesystem::path(testing::TempDir()) / "espalier_safetensors_test.safetensors";
  const auto bytes = format_safetensors({{"a", at::arange(100, at::kFloat)}});
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_TRUE(at::equal(read_safetensors(path).at("a"), at::arange(100, at::kFloat)));
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{60}, bytes.size() - 1}) {
    std::filesystem::resize_file(path, 0);
    std::ofstream(path, std::ios::binary) << bytes.substr(0, size);
    EXPECT_THROW(read_safetensors(path), DataError) << size;
  }
  std::filesystem::remove(path);
  EXPECT_THROW(read_safetensors(path), DataError);
}

TEST(Safetensors, AcceptsTheFileThatTheDamagedOnesComeFrom) { EXPECT_EQ(message_of(file_of(kOne, 8)), "no error"); }

// Three halves before two float32: the format requires no alignment, and the reference library reads it.
TEST(Safetensors, ReadsTensorsAtAnyAlignment) {
  const auto header = two(entry("a", "F16", "3", "0,6"), entry("b", "F32", "2", "6,14"));
  std::string bytes = file_of(header, 14);
  const auto halves = at::arange(1, 4).to(at::kHalf), singles = at::arange(5, 7).to(at::kFloat);
  std::memcpy(bytes.data() + 8 + header.size(), halves.const_data_ptr(), 6);
  std::memcpy(bytes.data() + 8 + header.size() + 6, singles.const_data_ptr(), 8);
  const auto path = std::filesystem::path(testing::TempDir()) / "espalier_misaligned_test.safetensors";
  std::ofstream(path, std::ios::binary) << bytes;
  for (const auto& read : {parse_safetensors(bytes, "here"), read_safetensors(path)}) {
    EXPECT_TRUE(at::equal(read.at("a"), halves));
    EXPECT_TRUE(at::equal(read.at("b"), singles));
  }
  std::filesystem::remove(path);
}

struct Damage {
  const char* name;
  std::string bytes;
  const char* message;
};

class DamagedSafetensors : public testing::TestWithParam<Damage> {};

TEST_P(DamagedSafetensors, IsRefusedByName) {
  EXPECT_THAT(message_of(GetParam().bytes),
              testing::AllOf(testing::HasSubstr("weights.safetensors"), testing::HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedSafetensors,
    testing::Values(
        Damage{"Empty", "", "it is empty"}, Damage{"Short", "\x01\x02", "shorter than 8 bytes"},
        Damage{"HeaderBeyondFile", file_of(kOne, 0).substr(0, 30), "the file has"},
        Damage{"HugeHeader", std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) + "{}", "the limit is"},
        Damage{"NotAnObject", file_of("[]", 0), "not a JSON object"}, Damage{"NotJson", file_of("{\"a\":", 0), "is not JSON"},
        Damage{"Deep", file_of("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}", 0), "too deeply"},
        Damage{"DataCut", file_of(kOne, 7), "the data at 7"}, Damage{"DataLeft", file_of(kOne, 9), "1 bytes at the end"},
        Damage{"Overlap", file_of(two(entry("a", "U8", "4", "0,4"), entry("b", "U8", "4", "2,6")), 6), "overlaps"},
        Damage{"Hole", file_of(two(entry("a", "U8", "4", "0,4"), entry("b", "U8", "4", "6,10")), 10), "2 bytes before tensor 'b'"},
        Damage{"HoleAtStart", file_of("{" + entry("a", "U8", "4", "1,5") + "}", 5), "1 bytes before tensor 'a'"},
        Damage{"ShapeOverflow", file_of("{" + entry("a", "F32", "4294967296,4294967296,4294967296", "0,8") + "}", 8), "overflows"},
        Damage{"ShapeOverflowBesideZero", file_of("{" + entry("a", "F32", "0,4294967296,4294967296,4294967296", "0,0") + "}", 0),
               "overflows"},
        Damage{"HugeExtent", file_of("{" + entry("a", "F32", "18446744073709551615", "0,8") + "}", 8), "too large"},
        Damage{"NegativeExtent", file_of("{" + entry("a", "F32", "-2", "0,8") + "}", 8), "not a natural number"},
        Damage{"FractionalExtent", file_of("{" + entry("a", "F32", "2.0", "0,8") + "}", 8), "not a natural number"},
        Damage{"Backwards", file_of("{" + entry("a", "F32", "2", "8,0") + "}", 8), "ends before it begins"},
        Damage{"WrongCount", file_of("{" + entry("a", "F32", "3", "0,8") + "}", 8), "ask for 12"},
        Damage{"UnknownDtype", file_of("{" + entry("a", "F7", "2", "0,8") + "}", 8), "known: I64, F64"},
        Damage{"Twice", file_of(two(entry("a", "U8", "1", "0,1"), entry("a", "U8", "1", "1,2")), 2), "stands twice"},
        Damage{"FieldTwice", file_of(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1), "stands twice"},
        Damage{"MissingField", file_of(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "exactly the fields"},
        Damage{"OneOffset", file_of("{" + entry("a", "U8", "1", "1") + "}", 1), "[begin, end]"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace espalier::modelfile
