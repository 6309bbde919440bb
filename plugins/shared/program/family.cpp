#include "plugins/shared/program/family.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "plugins/shared/program/descriptor.h"

namespace espalier::program {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLongestKill{5};
constexpr std::chrono::milliseconds kLongestStart{500};

struct Process {
  pid_t number = 0, parent = 0, session = 0;
  std::int64_t started = 0;  // in the system's ticks
  bool living = false;
  bool starting = false;  // it becomes another program at this moment, and has no environment yet
};

// "" of a process that ends meanwhile: by read(2), because a stream throws at its ESRCH.
std::string content(const fs::path& file) {
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t size = 0; (size = ::read(descriptor.number(), buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return text;
}

bool is_ours(const fs::path& folder) {
  struct stat info{};
  return ::stat(folder.c_str(), &info) == 0 && info.st_uid == ::geteuid();
}

// "12 (any name) S 1 12 12 ...": proc(5) counts the fields from 1, of which the number is the first and the state the third.
bool read_process(const fs::path& folder, Process& process) {
  const auto name = folder.filename().string();
  if (std::from_chars(name.data(), name.data() + name.size(), process.number).ptr != name.data() + name.size()) return false;
  const auto text = content(folder / "stat");
  const auto after_name = text.rfind(')');
  if (after_name == std::string::npos) return false;  // it has ended
  std::istringstream rest(text.substr(after_name + 1));
  std::string state;
  rest >> state;
  std::array<std::uint64_t, 52> field{};
  for (std::size_t i = 4; i < field.size(); ++i) {
    std::string number;
    rest >> number;
    if (!number.empty()) field[i] = std::strtoull(number.c_str(), nullptr, 10);
  }
  process.parent = static_cast<pid_t>(field[4]);
  process.session = static_cast<pid_t>(field[6]);
  process.started = static_cast<std::int64_t>(field[22]);
  process.living = (state != "Z" && state != "X") || field[20] > 1;  // its first thread may have ended before the others
  process.starting = process.living && field[23] > 0 && field[51] == 0 && is_ours(folder);  // memory, but no end of an environment
  return true;
}

bool has_mark(pid_t process, const std::string& mark) {
  const auto environment = std::string(1, '\0') + content("/proc/" + std::to_string(process) + "/environ");
  return environment.find('\0' + mark + '\0') != std::string::npos;
}

std::vector<Process> all_processes() {
  std::vector<Process> all;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    if (Process process; read_process(entry->path(), process)) all.push_back(process);
  }
  return all;
}

// "Pss:   1234 kB": what is shared counts by its share.
std::int64_t proportional_bytes(pid_t process) {
  std::istringstream in(content("/proc/" + std::to_string(process) + "/smaps_rollup"));
  for (std::string key; in >> key; std::getline(in, key)) {
    if (std::int64_t kilobytes = 0; key == "Pss:" && in >> kilobytes) return 1024 * kilobytes;
  }
  return -1;
}

std::int64_t resident_bytes_of(pid_t process) {
  std::istringstream in(content("/proc/" + std::to_string(process) + "/statm"));
  std::int64_t total = 0, resident = 0;
  return in >> total >> resident ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace

Family::Scan Family::scan() const {
  const auto all = all_processes();
  std::set<pid_t> members;
  std::int64_t started = 0;
  for (const auto& process : all) {
    if (process.number == program_) started = process.started;
    if (!process.living) continue;
    if (process.number == program_ || process.session == program_ || has_mark(process.number, mark_)) members.insert(process.number);
  }
  for (std::size_t before = 0; before != members.size();) {
    before = members.size();
    for (const auto& process : all) {
      if (process.living && members.contains(process.parent)) members.insert(process.number);
    }
  }
  const bool unclear = std::any_of(all.begin(), all.end(), [&](const Process& process) {
    return process.starting && process.started >= started && !members.contains(process.number);
  });
  return {{members.begin(), members.end()}, unclear};
}

// /proc is no snapshot: one scan can miss a process that is started meanwhile, so that two must agree that there is none.
bool Family::kill() const {
  const auto begin = std::chrono::steady_clock::now();
  ::kill(-program_, SIGKILL);  // the group that it leads, at once
  for (int round = 0, empty = 0; empty < 2; ++round) {
    const auto [members, unclear] = scan();
    for (const auto member : members) ::kill(member, SIGKILL);
    const auto waited = std::chrono::steady_clock::now() - begin;
    if (!members.empty() && waited > kLongestKill) return false;
    empty = members.empty() && (!unclear || waited > kLongestStart) ? empty + 1 : 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(round < 5 ? 1 : 20));
  }
  return true;
}

std::int64_t Family::resident_bytes(std::int64_t suspicious) const {
  const auto members = scan().members;
  std::int64_t sum = 0, proportional = 0;
  for (const auto member : members) sum += resident_bytes_of(member);
  if (sum <= suspicious) return sum;
  for (const auto member : members) {
    const auto bytes = proportional_bytes(member);
    proportional += bytes < 0 ? resident_bytes_of(member) : bytes;
  }
  return proportional;
}

}  // namespace espalier::program
