#pragma once

#include <c10/core/Device.h>

#include "runtime/base/errors.h"
#include "runtime/base/progress.h"
#include "runtime/base/remembered_digests.h"
#include "runtime/base/stop.h"

namespace espalier {

// What the engine gives to every stage's work. It outlives the call that it is passed to.
struct StageContext {
  at::Device device = at::kCPU;          // where tensors belong
  const StopToken* stop = nullptr;       // null: nothing stops the work
  Progress* progress = nullptr;          // null: progress is not shown
  RememberedDigests* digests = nullptr;  // of files that options name; null: nothing is remembered

  bool stop_requested() const { return stop != nullptr && stop->stop_requested(); }
  // For long work without checkpoints, at every safe point. Throws Stopped.
  void check_stop() const {
    if (stop_requested()) throw Stopped("stopped; the same command goes on from the last finished stage");
  }
};

}  // namespace espalier
