#pragma once

#include "runtime/exec/context.h"
#include "runtime/tensor/failure.h"

namespace espalier::exec {

// Runs a part of a stage's work. Its exceptions of any type name the stage, because a pipeline may have several stages of a type. Stopped
// and CacheError (also Quarantined) concern no stage and are rethrown unchanged.
template <class Part>
auto with_stage_context(const config::StageSpec& stage, const Part& part) {
  const Doing doing("stage '" + stage.tag + "' (" + stage.type + ")");
  default_floating_point_of_all_threads();
  try {
    return part();
  } catch (const Stopped&) {
    throw;
  } catch (const CacheError&) {
    throw;
  } catch (...) {
    throw plan::with_stage_context(stage, std::current_exception());
  }
}

}  // namespace espalier::exec
