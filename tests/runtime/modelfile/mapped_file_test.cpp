#include "runtime/modelfile/mapped_file.h"

#include <ATen/ops/arange.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/safetensors.h"
#include "tests/runtime/base/folder.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class Mapped : public ::testing::Test {
 protected:
  // Written an hour ago: what is written now has another time, however coarse the clock of the file system is.
  Mapped() {
    write_durable(path_, format_safetensors({{"a", at::arange(1000, at::kFloat)}, {"b", at::arange(6, at::kLong)}}));
    fs::last_write_time(path_, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  void expect_changed(const MappedFile& file) const {
    EXPECT_THAT([&] { file.require_unchanged(); },
                ThrowsMessage<StageError>(AllOf(HasSubstr(path_.string()), HasSubstr("changed, replaced or removed"))));
  }
  TemporaryFolder folder_;
  fs::path path_ = folder_.path() / "weights.safetensors";
};

TEST_F(Mapped, HasTheFilesBytes) {
  const auto file = MappedFile::open(path_);
  EXPECT_EQ(file->bytes(), read_file(path_));
  EXPECT_EQ(file->path(), path_);
  EXPECT_NO_THROW(file->require_unchanged());
  write_durable(folder_.path() / "empty", "");
  EXPECT_EQ(MappedFile::open(folder_.path() / "empty")->bytes(), "");
}

TEST_F(Mapped, IsOfARegularFile) {
  EXPECT_THAT([&] { MappedFile::open(folder_.path() / "none"); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("none"), HasSubstr("cannot be read"))));
  EXPECT_THAT([&] { MappedFile::open(folder_.path()); }, ThrowsMessage<DataError>(HasSubstr("is no regular file")));
  const auto pipe = folder_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT([&] { MappedFile::open(pipe); }, ThrowsMessage<DataError>(HasSubstr("is no regular file")));
}

TEST_F(Mapped, IsAnotherOneOnceItIsReplaced) {
  const auto file = MappedFile::open(path_);
  const auto copy = folder_.path() / "copy";
  fs::copy_file(path_, copy);
  fs::last_write_time(copy, fs::last_write_time(path_));
  fs::rename(copy, path_);  // with the same bytes and times, but another file
  expect_changed(*file);
  EXPECT_NO_THROW(MappedFile::open(path_)->require_unchanged());
}

TEST_F(Mapped, IsAnotherOneOnceItIsWrittenTo) {
  const auto file = MappedFile::open(path_);
  std::fstream(path_, std::ios::in | std::ios::out | std::ios::binary).seekp(200) << 'x';
  expect_changed(*file);
}

TEST_F(Mapped, IsAnotherOneOnceItIsCutShortOrLonger) {
  const auto time = fs::last_write_time(path_);
  for (const std::int64_t more : {-4, 8}) {
    const auto file = MappedFile::open(path_);
    fs::resize_file(path_, static_cast<std::uintmax_t>(static_cast<std::int64_t>(fs::file_size(path_)) + more));
    fs::last_write_time(path_, time);
    expect_changed(*file);
  }
}

TEST_F(Mapped, IsAnotherOneOnceItIsGone) {
  const auto file = MappedFile::open(path_);
  fs::remove(path_);
  expect_changed(*file);
  EXPECT_EQ(map_safetensors(file).at("b")[5].item<std::int64_t>(), 5) << "what is mapped stays readable";
}

TEST_F(Mapped, IsTheSameUnderAnotherLink) {
  const auto file = MappedFile::open(path_);
  fs::create_hard_link(path_, folder_.path() / "link");
  EXPECT_NO_THROW(file->require_unchanged());
}

TEST_F(Mapped, WhatIsWrittenToATensorStaysInThisProcess) {
  const auto before = read_file(path_);
  const auto file = MappedFile::open(path_);
  auto tensors = map_safetensors(file);
  tensors.at("a").fill_(7.0);
  EXPECT_TRUE(tensors.at("a").eq(7.0).all().item<bool>());
  EXPECT_EQ(read_file(path_), before);
  EXPECT_TRUE(map_safetensors(MappedFile::open(path_)).at("a").equal(at::arange(1000, at::kFloat)));
  EXPECT_NO_THROW(file->require_unchanged());
}

TEST_F(Mapped, BytesThatWereReleasedAreReadAgain) {
  write_durable(folder_.path() / "large", format_safetensors({{"a", at::arange(100'000, at::kLong)}, {"b", at::arange(9, at::kLong)}}));
  const auto file = MappedFile::open(folder_.path() / "large");
  const auto tensors = map_safetensors(file);
  const auto before = tensors.at("a").clone();
  file->release(tensors.at("a").const_data_ptr(), tensors.at("a").nbytes());
  EXPECT_TRUE(tensors.at("a").equal(before));
  EXPECT_TRUE(tensors.at("b").equal(at::arange(9, at::kLong)));
  file->release(tensors.at("b").const_data_ptr(), tensors.at("b").nbytes());  // less than a page
  EXPECT_TRUE(tensors.at("b").equal(at::arange(9, at::kLong)));
}

TEST_F(Mapped, TensorsKeepItOpen) {
  const auto tensors = map_safetensors(MappedFile::open(path_));
  for (const auto& [name, tensor] : read_safetensors(path_)) EXPECT_TRUE(tensors.at(name).equal(tensor)) << name;
}

// As safetensors writes them behind a header of any length: a tensor whose address its dtype does not allow is copied.
TEST_F(Mapped, ATensorAtAnOddPlaceIsRead) {
  const auto odd = folder_.path() / "odd.safetensors";
  const std::string header =
      R"({"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"F32","shape":[2],"data_offsets":[2,10]}} )";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  const float values[] = {1.5F, -2.0F};
  bytes += header + std::string(2, '\0') + std::string(reinterpret_cast<const char*>(values), sizeof values);
  write_durable(odd, bytes);
  const auto tensors = map_safetensors(MappedFile::open(odd));
  EXPECT_EQ(tensors.at("b")[0].item<float>(), 1.5F);
  EXPECT_EQ(tensors.at("b")[1].item<float>(), -2.0F);
}

}  // namespace
}  // namespace espalier::modelfile
