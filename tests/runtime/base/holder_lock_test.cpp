#include "runtime/base/holder_lock.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "runtime/base/errors.h"
#include "runtime/base/value.h"
#include "tests/runtime/base/folder.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// A process that takes the lock and dies with it; not yet waited for, so that its id is still taken.
pid_t die_with_lock(const fs::path& path) {
  const auto child = ::fork();
  if (child == 0) {
    const HolderLock lock(path);
    ::_exit(0);
  }
  siginfo_t ended{};
  ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
  return child;
}

// The lock file as the calling process would write it, with some fields changed.
void write_holder(const fs::path& path, const std::map<std::string, Value>& changed) {
  std::string text;
  {
    const HolderLock lock(path);
    text = read_file(path);
  }
  auto holder = parse_json(text, "");
  for (const auto& [field, value] : changed) holder[field] = value;
  write_durable(path, to_json(holder) + "\n");
}

bool can_take(const fs::path& path, std::string* holder = nullptr) {
  std::string found;
  const auto lock = HolderLock::try_lock(path, found);
  if (holder) *holder = found;
  return lock != nullptr;
}

TEST(HolderLock, IsOneHoldersAtATimeAndNamesIt) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock.holder";
  {
    const HolderLock lock(path);
    std::string holder;
    EXPECT_FALSE(can_take(path, &holder));
    EXPECT_THAT(holder, HasSubstr("process " + std::to_string(::getpid()) + " of host"));
  }
  EXPECT_TRUE(can_take(path));
  EXPECT_TRUE(fs::is_empty(folder.path())) << "nothing is left behind";
}

TEST(HolderLock, ADeadHoldersIsReplaced) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock.holder";
  const auto child = die_with_lock(path);
  EXPECT_TRUE(fs::exists(path));
  EXPECT_TRUE(can_take(path)) << "of a process that ended and was not waited for";
  ::waitpid(child, nullptr, 0);
  ::waitpid(die_with_lock(path), nullptr, 0);
  EXPECT_TRUE(can_take(path)) << "of a process that is gone";
}

TEST(HolderLock, AProcessIdUsedAgainIsNoHolder) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock.holder";
  write_holder(path, {});
  EXPECT_FALSE(can_take(path)) << "this very process";
  fs::remove(path);
  write_holder(path, {{"started", "1"}});
  EXPECT_TRUE(can_take(path));
}

TEST(HolderLock, OneFromBeforeThisMachineWasStartedIsReplaced) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock.holder";
  write_holder(path, {{"boot", "another"}});
  EXPECT_TRUE(can_take(path));
}

TEST(HolderLock, OneWhoseHolderCannotBeCheckedIsNamedWithTheCommandThatRemovesIt) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock.holder";
  const std::vector<std::map<std::string, Value>> elsewhere = {
      {{"boot", "another"}, {"host", "node7"}}, {{"boot", "another"}, {"machine", "another"}}, {{"pid_namespace", "pid:[1]"}}};
  for (const auto& changed : elsewhere) {
    write_holder(path, changed);
    std::string holder;
    EXPECT_FALSE(can_take(path, &holder));
    EXPECT_THAT(holder, AllOf(HasSubstr("cannot be seen from here"), HasSubstr("rm '" + path.string() + "'")));
    EXPECT_THAT([&] { HolderLock(path, std::chrono::milliseconds(0)); }, ThrowsMessage<CacheError>(HasSubstr(holder)));
    fs::remove(path);
  }
  write_durable(path, "");
  EXPECT_THAT([&] { HolderLock(path, std::chrono::milliseconds(0)); },
              ThrowsMessage<CacheError>(AllOf(HasSubstr("names no holder"), HasSubstr("rm '"))));
}

// Of processes that find a dead holder, the slower must not remove the lock of the faster.
TEST(HolderLock, ManyWhoFindADeadHolderExcludeEachOther) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock.holder";
  for (int round = 0; round < 10; ++round) {
    ::waitpid(die_with_lock(path), nullptr, 0);
    int inside = 0, most = 0, count = 0;  // guarded by the lock alone
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        const HolderLock lock(path);
        most = std::max(most, ++inside);
        std::this_thread::yield();
        ++count;
        --inside;
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(most, 1);
    EXPECT_EQ(count, 8);
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace espalier
