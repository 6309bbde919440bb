#include "runtime/base/files.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "tests/runtime/base/folder.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Files, WritesReadOnlyFilesOnce) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "block";
  const std::string bytes = std::string("a\0b", 3) + std::string(200'000, 'z');
  write_durable(path, bytes);
  EXPECT_EQ(read_file(path), bytes);
  EXPECT_EQ(fs::status(path).permissions() & fs::perms::owner_write, fs::perms::none);
  EXPECT_THAT([&] { write_durable(path, "other"); }, ThrowsMessage<CacheError>(AllOf(HasSubstr(path.string()), HasSubstr("File exists"))));
  EXPECT_EQ(read_file(path), bytes);
}

// Ends the process: 4 when the failure was reported and nothing was left behind.
[[noreturn]] void write_past_a_limit(const fs::path& path) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{4096, 4096};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) std::_Exit(2);
  try {
    write_durable(path, std::string(10'000, 'x'));
  } catch (const CacheError& error) {
    std::fputs(error.what(), stderr);
    std::_Exit(fs::exists(path) ? 3 : 4);
  }
  std::_Exit(5);
}

TEST(Files, AFailureNamesThePathAndTheReasonAndLeavesNoPart) {
  const TemporaryFolder folder;
  EXPECT_THAT([&] { write_durable(folder.path() / "absent" / "file", "x"); },
              ThrowsMessage<CacheError>(AllOf(HasSubstr("absent/file"), HasSubstr("No such file"))));
  // A limit on file sizes stands for a full disk: the write that goes past it fails. In a child, since the limit stays.
  const auto path = folder.path() / "large";
  EXPECT_EXIT(write_past_a_limit(folder.path() / "large"), testing::ExitedWithCode(4), "large: cannot write: File too large");
}

TEST(Files, ReadingWhatIsNotThereNamesIt) {
  const TemporaryFolder folder;
  EXPECT_THAT([&] { read_file(folder.path() / "absent"); }, ThrowsMessage<DataError>(HasSubstr("absent")));
  EXPECT_THAT([&] { read_file(folder.path()); }, ThrowsMessage<DataError>(HasSubstr("directory")));
}

TEST(Files, ReadingTakesRegularFilesOfALimitedSizeOnly) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file", pipe = folder.path() / "pipe";
  write_durable(path, "12345");
  EXPECT_EQ(read_file(path, 5), "12345");
  EXPECT_THAT([&] { read_file(path, 4); }, ThrowsMessage<DataError>(AllOf(HasSubstr(path.string()), HasSubstr("5 bytes"))));
  std::ofstream(folder.path() / "hole") << "x";
  fs::resize_file(folder.path() / "hole", std::uintmax_t{1} << 40);  // no byte of it may be read
  EXPECT_THAT([&] { read_file(folder.path() / "hole", 1 << 20); }, ThrowsMessage<DataError>(HasSubstr("1099511627776 bytes")));
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);  // without a writer: opening it in the usual way would wait for one
  EXPECT_THAT([&] { read_file(pipe); }, ThrowsMessage<DataError>(HasSubstr("is a pipe, not a regular file")));
  EXPECT_THAT([&] { digest_file(pipe); }, ThrowsMessage<DataError>(HasSubstr("is a pipe, not a regular file")));
  EXPECT_THAT([&] { read_file("/dev/zero"); }, ThrowsMessage<DataError>(HasSubstr("is a device")));
  EXPECT_THAT([] { read_file("/proc/self/status", 10); }, ThrowsMessage<DataError>(HasSubstr("at most 10"))) << "its reported size is 0";
}

TEST(Files, MakesEveryLevelOfAFolder) {
  const TemporaryFolder folder;
  make_folders(folder.path() / "a" / "b" / "c" / "");
  EXPECT_TRUE(fs::is_directory(folder.path() / "a/b/c"));
  make_folders(folder.path() / "a/b/c");
  write_durable(folder.path() / "file", "");
  EXPECT_THAT([&] { make_folders(folder.path() / "file" / "x"); }, ThrowsMessage<CacheError>(HasSubstr("file")));
}

TEST(Files, PublishingAFileHasOneWinner) {
  const TemporaryFolder folder;
  std::atomic<int> winners = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto from = folder.path() / ("from" + std::to_string(i));
      write_durable(from, std::to_string(i));
      if (publish_file(from, folder.path() / "to")) winners += 1 + 100 * i;
      EXPECT_FALSE(fs::exists(from));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(winners % 100, 1);
  EXPECT_EQ(read_file(folder.path() / "to"), std::to_string(winners / 100));
}

TEST(Files, PublishingAFolderNeverReplacesOne) {
  const TemporaryFolder folder;
  const auto make = [&](const char* name, const char* content) {
    make_folders(folder.path() / name / "inner");
    write_durable(folder.path() / name / "inner/file", content);
    return folder.path() / name;
  };
  const auto to = folder.path() / "to";
  EXPECT_TRUE(publish_folder(make("one", "1"), to));
  EXPECT_FALSE(publish_folder(make("two", "2"), to));
  EXPECT_EQ(read_file(to / "inner/file"), "1");
  EXPECT_FALSE(fs::exists(folder.path() / "one") || fs::exists(folder.path() / "two"));
  make_folders(folder.path() / "empty");
  EXPECT_FALSE(publish_folder(make("three", "3"), folder.path() / "empty")) << "an empty folder counts as there";
}

TEST(Files, ReplacingLeavesNothingAside) {
  const TemporaryFolder folder;
  replace_file(folder.path() / "report", "old");
  replace_file(folder.path() / "report", "new");
  EXPECT_EQ(read_file(folder.path() / "report"), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  EXPECT_THROW(replace_file(folder.path() / "absent" / "report", "x"), CacheError);
}

TEST(Files, NamesAreUnique) {
  std::set<std::string> names;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(names.insert(unique_name()).second);
  EXPECT_THAT(*names.begin(), HasSubstr("-" + std::to_string(::getpid()) + "-"));
  EXPECT_EQ(names.begin()->find('/'), std::string::npos);
}

TEST(Files, FreeSpaceIsThatOfTheNearestExistingFolder) {
  const TemporaryFolder folder;
  const auto space = fs::space(folder.path()).available;
  const auto free = free_bytes(folder.path() / "not" / "yet");
  EXPECT_NEAR(static_cast<double>(free), static_cast<double>(space), 0.1 * static_cast<double>(space));  // others write meanwhile
}

}  // namespace
}  // namespace espalier
