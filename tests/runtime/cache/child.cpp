// A process for the tests to kill, to race, and to run out of space:
//   cache_child publish <cache> <first>         publishes blocks from <first> on without end; a line with its number after each
//   cache_child race <cache> <count> <variant>  publishes blocks 0 .. count - 1; a line "<number> won|lost|refused" after each
//   cache_child repair <cache> <count>          reads blocks 0 .. count - 1 and publishes what is not there; a line after each
//   cache_child small_files <cache> <bytes>     publishes block 0 where no file may grow beyond <bytes>
//   cache_child full_disk <folder>              fills a cache on a file system of 512 KiB mounted there; exits 77 where it may not mount
//   cache_child nobody <cache>                  publishes block 0 as a user who may not write there
// Prints the CacheError it meets, and then exits 4.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "runtime/base/errors.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache::testing {
namespace {

void say(const std::string& line) {
  const auto text = line + "\n";
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) std::abort();
}

int publish(const std::string& root, std::uint64_t first) {
  const auto store = Store::open(root);
  const auto id = store->ensure_set(recipe());
  for (auto number = first;; ++number) {
    store->publish_block(id, block(number, {25, 0}), provenance());
    say(std::to_string(number));
  }
}

int race(const std::string& root, std::uint64_t count, std::uint64_t variant) {
  const auto store = Store::open(root);
  const auto id = store->ensure_set(recipe());
  for (std::uint64_t number = 0; number < count; ++number) {
    try {
      // Each variant has steps of its own, so that only the comparison of x_0 can refuse it.
      const auto step = 25 + static_cast<std::int64_t>(variant);
      const bool won = store->publish_block(id, block(number, {step, 0}, variant), provenance());
      say(std::to_string(number) + (won ? " won" : " lost"));
    } catch (const CacheError&) {
      say(std::to_string(number) + " refused");
    }
  }
  return 0;
}

int repair(const std::string& root, std::uint64_t count) {
  const auto store = Store::open(root);
  const auto id = store->ensure_set(recipe());
  for (std::uint64_t number = 0; number < count; ++number) {
    if (!store->read_block(id, number, {0, 25})) store->publish_block(id, block(number, {25, 0}), provenance());
    say(std::to_string(number));
  }
  return 0;
}

int small_files(const std::string& root, rlim_t bytes) {
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, bytes};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 77;
  const auto store = Store::open(root);
  store->publish_block(store->ensure_set(recipe()), block(0, {25, 0}), provenance());
  return 0;
}

int full_disk(const std::string& folder) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
  if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=512k") != 0) return 77;
  const auto store = Store::open(folder + "/cache");
  const auto id = store->ensure_set(recipe());
  std::uint64_t done = 0;
  try {
    for (;; ++done) store->publish_block(id, block(done, {25, 0}), provenance());
  } catch (const CacheError& error) {
    say(error.what());
  }
  const auto there = store->blocks(id).size();
  std::uint64_t sound = 0;
  for (std::uint64_t number = 0; number < done; ++number) {
    const auto read = store->read_block(id, number, {0, 25});
    if (read && difference(*read, block(number, {25, 0})).empty()) ++sound;
  }
  const auto damage = store->verify(VerifyLevel::deep).size();
  say(done > 0 && there == done && sound == done && damage == 0 ? "sound" : "unsound");
  return 4;
}

int nobody(const std::string& root) {
  if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 77;
  const auto store = Store::open(root);
  const auto id = digest(recipe());
  say(store->read_block(id, 0, {0}) ? "read" : "not read");
  store->publish_block(id, block(1, {25, 0}), provenance());
  return 0;
}

int run(const std::string& what, const std::string& root, std::uint64_t first, std::uint64_t second) {
  if (what == "publish") return publish(root, first);
  if (what == "race") return race(root, first, second);
  if (what == "repair") return repair(root, first);
  if (what == "small_files") return small_files(root, first);
  if (what == "full_disk") return full_disk(root);
  if (what == "nobody") return nobody(root);
  return 2;
}

}  // namespace
}  // namespace espalier::cache::testing

int main(int count, char** arguments) {
  if (count < 3) return 2;
  const auto number = [&](int at) { return at < count ? std::strtoull(arguments[at], nullptr, 10) : 0; };
  try {
    return espalier::cache::testing::run(arguments[1], arguments[2], number(3), number(4));
  } catch (const espalier::Error& error) {
    espalier::cache::testing::say(error.what());
    return static_cast<int>(error.code());
  }
}
