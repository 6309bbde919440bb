#include "plugins/shared/program/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "plugins/shared/program/failure.h"
#include "runtime/base/errors.h"

namespace espalier::program {
namespace {

constexpr std::chrono::milliseconds kSlice{50};       // between looks at the stop token
constexpr std::chrono::seconds kPatienceAtTheEnd{3};  // after a program's standard input was closed
constexpr double kGib = 1024.0 * 1024.0 * 1024.0;

std::string indented(std::string text) {
  for (std::size_t line = 0; (line = text.find('\n', line)) != std::string::npos; ++line) text.insert(line + 1, "    ");
  return "    " + text;
}

Value key_of(const Settings& settings, const Role& role) {
  const auto list = [](const std::vector<std::string>& texts) { return Value::List(texts.begin(), texts.end()); };
  return Value::List{role.task,        role.sample_kind,         settings.identity,     list(settings.command), list(settings.environment),
                     settings.workers, settings.timeout_seconds, settings.memory_limit, settings.restart_limit};
}

}  // namespace

// A place for one program.
struct Pool::Slot {
  std::int64_t worker = 0;
  bool used = false;        // by a thread
  bool has_failed = false;  // the next start is one after a failure
  std::unique_ptr<Program> program;
};

class Pool::Lease {
 public:
  Lease(Pool& pool, const StageContext& stage) : pool_(pool), slot_(pool.acquire(stage)) {}
  ~Lease() {
    {
      const std::lock_guard lock(pool_.mutex_);
      slot_.used = false;
    }
    pool_.freed_.notify_one();
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  Slot& slot() const { return slot_; }

 private:
  Pool& pool_;
  Slot& slot_;
};

Pool::Pool(std::string who, Settings settings, Role role)
    : who_(std::move(who)),
      settings_(std::move(settings)),
      role_(std::move(role)),
      supervisor_(static_cast<std::int64_t>(settings_.memory_limit * kGib)) {
  for (std::int64_t i = 0; i < settings_.workers; ++i) {
    slots_.push_back(std::make_unique<Slot>());
    slots_.back()->worker = i;
  }
}

Pool::~Pool() {
  const auto runs = [](const auto& slot) { return slot->program && slot->program->child().ending().empty(); };
  for (const auto& slot : slots_) {
    if (slot->program) slot->program->child().close_input();
  }
  const auto deadline = std::chrono::steady_clock::now() + kPatienceAtTheEnd;
  while (std::any_of(slots_.begin(), slots_.end(), runs) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (const auto& slot : slots_) {
    if (slot->program) slot->program->child().kill();
  }
}

std::int64_t Pool::next_batch() {
  const std::lock_guard lock(mutex_);
  return batches_++;
}

Pool::Slot& Pool::acquire(const StageContext& stage) {
  std::unique_lock lock(mutex_);
  while (true) {
    Slot* chosen = nullptr;  // one that runs, rather than one that must be started
    for (const auto& slot : slots_) {
      if (!slot->used && (chosen == nullptr || (slot->program && !chosen->program))) chosen = slot.get();
    }
    if (chosen != nullptr) {
      chosen->used = true;
      return *chosen;
    }
    freed_.wait_for(lock, kSlice);
    stage.check_stop();
  }
}

bool Pool::may_restart() {
  const std::lock_guard lock(mutex_);
  if (restarts_ >= settings_.restart_limit) return false;
  ++restarts_;
  return true;
}

void Pool::start(Slot& slot, const StageContext& stage) {
  if (slot.has_failed && !may_restart()) {
    throw Refusal(fmt::format("was not started: restart_limit = {} allows no further start after failures", settings_.restart_limit));
  }
  slot.program = std::make_unique<Program>(supervisor_.start(settings_.command, settings_.environment), settings_.timeout_seconds);
  slot.program->greet(role_, slot.worker, settings_.identity, stage);
}

// Kills the slot's program; its last lines.
std::string Pool::killed(Slot& slot) {
  if (!slot.program) return "";
  auto& child = slot.program->child();
  child.kill();
  child.read_errors();
  auto lines = child.last_lines();
  slot.program.reset();
  return lines;
}

std::string Pool::text(const std::string& what, const std::string& last_lines) const {
  return fmt::format(
      "{}: {}\n  command: {}\n  {}", who_, what, fmt::join(settings_.command, " "),
      last_lines.empty() ? "it wrote nothing to its standard error" : "its last lines on standard error:\n" + indented(last_lines));
}

void Pool::open(const StageContext& stage) {
  const Lease lease(*this, stage);
  auto& slot = lease.slot();
  if (slot.program) return;
  try {
    start(slot, stage);
  } catch (const Failure& failure) {
    throw StageError(text(std::string("the program ") + failure.what(), killed(slot)));
  } catch (const Refusal& refusal) {
    const bool runs = slot.program != nullptr;
    const auto lines = killed(slot);
    const auto what = std::string("the program ") + refusal.what();
    throw ConfigError(runs ? text(what, lines) : who_ + ": " + what);
  } catch (...) {
    killed(slot);
    throw;
  }
}

void Pool::use(const StageContext& stage, const std::function<void(Program&)>& work) {
  const Lease lease(*this, stage);
  auto& slot = lease.slot();
  std::string before, lines_before;
  while (true) {
    try {
      if (!slot.program) start(slot, stage);
      return work(*slot.program);
    } catch (const Failure& failure) {
      const auto lines = killed(slot);
      slot.has_failed = true;
      if (!before.empty()) {
        throw StageError(text(
            fmt::format("two programs failed, one after the other, at the same work. The first {}. The second {}", before, failure.what()),
            lines.empty() ? lines_before : lines));
      }
      before = failure.what();
      lines_before = lines;
    } catch (const Refusal& refusal) {
      const auto lines = killed(slot);
      slot.has_failed = true;
      throw StageError(text(before.empty() ? fmt::format("the program {}", refusal.what())
                                           : fmt::format("the program {}. The one that was to follow it {}", before, refusal.what()),
                            lines.empty() ? lines_before : lines));
    } catch (...) {
      killed(slot);
      throw;
    }
  }
}

std::shared_ptr<Pool> shared_pool(const std::string& who, const Settings& settings, const Role& role) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Pool>> pools;
  const std::lock_guard lock(mutex);
  std::erase_if(pools, [](const auto& entry) { return entry.second.expired(); });
  auto& known = pools[canonical_bytes(key_of(settings, role))];
  auto pool = known.lock();
  if (!pool) known = pool = std::make_shared<Pool>(who, settings, role);
  return pool;
}

}  // namespace espalier::program
