#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/shared/program/program.h"
#include "plugins/shared/program/settings.h"
#include "plugins/shared/program/supervisor.h"
#include "runtime/sdk/stage_context.h"

namespace espalier::program {

// The programs of one command, `workers` at most, started when they are first needed and kept until the end. Thread-safe.
class Pool {
 public:
  // `who` begins messages: "reward.process".
  Pool(std::string who, Settings settings, Role role);
  // Ends the programs: a few seconds after their standard input is closed, all that is left of them is killed.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Starts a program if there is none. Throws ConfigError where it cannot be started or is another one, StageError where it fails, Stopped.
  void open(const StageContext& stage);

  // Calls `work` with a program that no other thread uses. At a Failure that program is killed with all that it started, and `work` is
  // called once more with a fresh one. Throws StageError where that fails too, or no further start is allowed; what else `work` throws
  // passes through, and the program, which may be in the middle of a message, is killed.
  void use(const StageContext& stage, const std::function<void(Program&)>& work);

  std::int64_t next_batch();  // a number that no other batch has

 private:
  struct Slot;
  class Lease;
  Slot& acquire(const StageContext& stage);
  void start(Slot& slot, const StageContext& stage);
  bool may_restart();
  std::string killed(Slot& slot);
  std::string text(const std::string& what, const std::string& last_lines) const;

  std::string who_;
  Settings settings_;
  Role role_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::int64_t restarts_ = 0, batches_ = 0;
  Supervisor supervisor_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

// The pool of these settings, as long as anybody holds it: stages that differ in `send` alone share their programs, so that a model is
// loaded once a run.
std::shared_ptr<Pool> shared_pool(const std::string& who, const Settings& settings, const Role& role);

}  // namespace espalier::program
