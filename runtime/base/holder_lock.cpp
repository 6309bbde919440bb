#include "runtime/base/holder_lock.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <sstream>
#include <thread>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/system_calls.h"
#include "runtime/base/value.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kLookAgain{20};
constexpr int kAttempts = 16;
constexpr std::uint64_t kMostBytes = 1 << 16;  // of a lock file

// A file's first line; "" where it cannot be read.
std::string line_of(const fs::path& path) try {
  const auto text = read_file(path);
  return text.substr(0, text.find('\n'));
} catch (const DataError&) {
  return "";
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

struct Process {
  std::string state;    // one letter
  std::string started;  // clock ticks since the machine was started: with it, an id is never two processes'
};

// As /proc/<pid>/stat has it; nullopt where that cannot be read. The name before the last ')' may hold anything.
std::optional<Process> process_of(const std::string& pid) {
  const auto line = line_of("/proc/" + pid + "/stat");
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  Process process;
  fields >> process.state;
  for (int field = 4; field <= 22; ++field) fields >> process.started;
  return fields ? std::optional(process) : std::nullopt;
}

// Names within which a process id has a meaning, and those of one computer.
Value this_process() {
  std::error_code error;
  const auto own = process_of("self");
  return Value::Map{{"host", host_name()},
                    {"machine", line_of("/etc/machine-id")},
                    {"boot", line_of("/proc/sys/kernel/random/boot_id")},
                    {"pid_namespace", fs::read_symlink("/proc/self/ns/pid", error).string()},
                    {"pid", static_cast<std::int64_t>(::getpid())},
                    {"started", own ? own->started : ""},
                    {"lock", unique_name()}};
}

enum class Fate { alive, dead, out_of_sight };

Fate fate_of(const Value& holder, const Value& self) {
  const auto same = [&](const char* field) { return holder.at(field).as_string() == self.at(field).as_string(); };
  // A computer without an identity (many containers) may be another one of the same host name.
  const bool known = same("host") && same("machine") && !self.at("machine").as_string().empty();
  if (!same("boot")) return known ? Fate::dead : Fate::out_of_sight;
  if (!same("pid_namespace")) return Fate::out_of_sight;
  const auto pid = holder.at("pid").as_integer();
  if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) return Fate::dead;
  const auto process = process_of(std::to_string(pid));
  if (!process) return Fate::alive;  // another user's, hidden
  const bool ended = process->state == "Z" || process->state == "X";
  return ended || process->started != holder.at("started").as_string() ? Fate::dead : Fate::alive;
}

struct Judgement {
  Fate fate;
  std::string name;  // of the holder, and what to do where its fate is not known
};

Judgement judge(const std::string& text, const Value& self, const fs::path& path) try {
  const auto holder = parse_json(text, path.string());
  const auto fate = fate_of(holder, self);
  auto name = "process " + std::to_string(holder.at("pid").as_integer()) + " of host '" + holder.at("host").as_string() + "'";
  if (fate == Fate::out_of_sight) name += ", which cannot be seen from here; if it has ended, remove its lock: rm '" + path.string() + "'";
  return {fate, name};
} catch (const DataError& error) {
  return {Fate::out_of_sight,
          std::string("a file that names no holder (") + error.what() + "); if no program uses the cache: rm '" + path.string() + "'"};
}

std::optional<std::string> read_if_there(const fs::path& path) {
  for (int attempt = 1;; ++attempt) {
    try {
      return read_file(path, kMostBytes);
    } catch (const DataError& error) {
      std::error_code unknown;
      if (!fs::exists(path, unknown) && !unknown) return std::nullopt;
      if (attempt == kAttempts) throw CacheError(error.what());  // this is no file that appeared meanwhile
    }
  }
}

bool publish(const fs::path& path, const std::string& own) {
  const fs::path aside = path.string() + "." + unique_name();
  write_durable(aside, own);
  // NFS may make the link, lose its answer, and answer the repeated request with "exists".
  return publish_file(aside, path) || read_if_there(path) == own;
}

// Removes the file of a dead holder: of those that found it dead one at a time, and only if it is still that very file.
void remove_dead(const fs::path& path, const std::string& judged) {
  const HolderLock right(path.string() + ".break");
  if (read_if_there(path) == judged) system_calls::unlink(path);
}

}  // namespace

HolderLock::Outcome HolderLock::attempt(std::string& holder) {
  const auto self = this_process();
  const auto own = to_json(self) + "\n";
  while (true) {
    const auto found = read_if_there(path_);
    if (!found) {
      taken_ = publish(path_, own);
      if (taken_) return Outcome::taken;
      continue;
    }
    const auto [fate, name] = judge(*found, self, path_);
    holder = name;
    if (fate == Fate::alive) return Outcome::held;
    if (fate == Fate::out_of_sight) return Outcome::held_elsewhere;
    remove_dead(path_, *found);
  }
}

HolderLock::HolderLock(const fs::path& path, std::chrono::milliseconds patience) : path_(path) {
  const auto begun = std::chrono::steady_clock::now();
  while (true) {
    std::string holder;
    const auto outcome = attempt(holder);
    if (outcome == Outcome::taken) return;
    if (outcome == Outcome::held_elsewhere && std::chrono::steady_clock::now() - begun >= patience) {
      throw CacheError(path_.string() + ": is locked by " + holder);
    }
    std::this_thread::sleep_for(kLookAgain);
  }
}

std::unique_ptr<HolderLock> HolderLock::try_lock(const fs::path& path, std::string& holder) {
  std::unique_ptr<HolderLock> lock(new HolderLock);
  lock->path_ = path;
  if (lock->attempt(holder) != Outcome::taken) lock.reset();
  return lock;
}

HolderLock::~HolderLock() {
  if (taken_) system_calls::unlink(path_);
}

}  // namespace espalier
