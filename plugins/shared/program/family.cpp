#include "plugins/shared/program/family.h"

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <thread>

namespace espalier::program {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLongestKill{5};
constexpr int kEmptyLooks = 3;  // a process that is between fork and exec, or in exec, may show no mark and no parent for a moment

struct Process {
  pid_t number = 0, parent = 0, session = 0;
  char state = '?';
};

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// "12 (any name) S 1 12 12 ...": number, name, state, parent, group, session.
bool read_process(const fs::path& folder, Process& process) {
  const auto name = folder.filename().string();
  if (std::from_chars(name.data(), name.data() + name.size(), process.number).ptr != name.data() + name.size()) return false;
  const auto text = content(folder / "stat");
  const auto after_name = text.rfind(')');
  if (after_name == std::string::npos) return false;  // it has ended
  std::istringstream rest(text.substr(after_name + 1));
  pid_t group = 0;
  return static_cast<bool>(rest >> process.state >> process.parent >> group >> process.session);
}

bool has_mark(pid_t process, const std::string& mark) {
  const auto environment = std::string(1, '\0') + content("/proc/" + std::to_string(process) + "/environ");
  return environment.find('\0' + mark + '\0') != std::string::npos;
}

std::vector<Process> all_processes() {
  std::vector<Process> all;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    if (Process process; read_process(entry->path(), process) && process.state != 'Z' && process.state != 'X') all.push_back(process);
  }
  return all;
}

// "Pss:   1234 kB": what is shared counts by its share.
std::int64_t proportional_bytes(pid_t process) {
  std::ifstream in("/proc/" + std::to_string(process) + "/smaps_rollup");
  for (std::string key; in >> key; std::getline(in, key)) {
    if (std::int64_t kilobytes = 0; key == "Pss:" && in >> kilobytes) return 1024 * kilobytes;
  }
  return -1;
}

std::int64_t resident_bytes_of(pid_t process) {
  std::ifstream in("/proc/" + std::to_string(process) + "/statm");
  std::int64_t total = 0, resident = 0;
  return in >> total >> resident ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace

std::vector<pid_t> Family::living() const {
  const auto all = all_processes();
  std::set<pid_t> members;
  for (const auto& process : all) {
    if (process.number == program_ || process.session == program_ || has_mark(process.number, mark_)) members.insert(process.number);
  }
  for (std::size_t before = 0; before != members.size();) {
    before = members.size();
    for (const auto& process : all) {
      if (members.contains(process.parent)) members.insert(process.number);
    }
  }
  return {members.begin(), members.end()};
}

bool Family::kill() const {
  const auto deadline = std::chrono::steady_clock::now() + kLongestKill;
  ::kill(-program_, SIGKILL);  // the group that it leads, at once
  for (int round = 0, empty = 0;; ++round) {
    const auto members = living();  // again: one may have started another one meanwhile
    empty = members.empty() ? empty + 1 : 0;
    if (empty == kEmptyLooks) return true;
    for (const auto member : members) ::kill(member, SIGKILL);
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(round < 5 ? 1 : 20));
  }
}

std::int64_t Family::resident_bytes(std::int64_t suspicious) const {
  const auto members = living();
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
