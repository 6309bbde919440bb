#include "runtime/base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "runtime/base/progress_text.h"

namespace espalier {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kLogEvery{30};

class SilentProgress final : public Progress {
 public:
  void begin(const std::string&, std::int64_t, const std::string&, std::int64_t) override {}
  void advance(std::int64_t, const std::string&) override {}
  void end() override {}
  void say(const std::string&) override {}
};

class StderrProgress final : public Progress {
 public:
  StderrProgress() {
    const char* no_color = std::getenv("NO_COLOR");
    colour_ = terminal_ && !(no_color && *no_color);
  }
  ~StderrProgress() override { end(); }

  void begin(const std::string& label, std::int64_t total, const std::string& unit, std::int64_t done_before) override {
    const std::lock_guard lock(mutex_);
    state_ = {label, done_before, total, unit, done_before > 0 ? "resumed" : "", 0.0, done_before};
    active_ = true;
    started_ = shown_ = Clock::now();
    if (terminal_) draw();
  }

  void advance(std::int64_t count, const std::string& note) override {
    const std::lock_guard lock(mutex_);
    state_.done += count;
    if (!note.empty()) state_.note = note;
    const auto now = Clock::now();
    if (!active_ || now - shown_ < (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kLogEvery))) return;
    shown_ = now;
    if (terminal_) {
      draw();
    } else {
      print(progress_line(timed()));
    }
  }

  void end() override {
    const std::lock_guard lock(mutex_);
    if (!active_) return;
    active_ = false;
    if (terminal_) {
      draw();
      std::fputc('\n', stderr);
    } else {
      print(progress_line(timed()));
    }
  }

  void say(const std::string& line) override {
    const std::lock_guard lock(mutex_);
    if (terminal_ && active_) std::fputs("\r\033[K", stderr);
    print(line);
    if (terminal_ && active_) draw();
  }

 private:
  const ProgressState& timed() {
    state_.seconds = std::chrono::duration<double>(Clock::now() - started_).count();
    return state_;
  }
  static void print(const std::string& line) {
    std::fputs((line + "\n").c_str(), stderr);
    std::fflush(stderr);
  }
  void draw() {
    winsize size{};
    const int width = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
    std::fputs(("\r\033[K" + progress_bar(timed(), width, colour_)).c_str(), stderr);
    std::fflush(stderr);
  }

  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool colour_ = false;
  std::mutex mutex_;
  ProgressState state_;
  bool active_ = false;
  Clock::time_point started_, shown_;
};

}  // namespace

std::unique_ptr<Progress> make_progress() { return std::make_unique<StderrProgress>(); }
std::unique_ptr<Progress> make_silent_progress() { return std::make_unique<SilentProgress>(); }

}  // namespace espalier
