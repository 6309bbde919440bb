#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/value.h"

namespace espalier::modelfile {

inline constexpr const char* kSchedulerFile = "scheduler/scheduler_config.json";  // in the folder of a denoiser

// kSchedulerFile of a model folder, as the folder's pipeline uses it. A StableDiffusionPipeline (of model_index.json)
// changes what its scheduler's file says, and so does this: diffusers 0.42.1, pipelines/stable_diffusion/pipeline_stable_diffusion.py,
// StableDiffusionPipeline.__init__, sets steps_offset to 1 and clip_sample to false.
struct SchedulerFile {
  std::filesystem::path path;
  Value table;
  std::vector<std::string> notes;  // what a person should know of how it is read, a sentence each
};

// With this prediction_type in place of the file's; "": the file's. Throws DataError for a file that is no JSON table, ConfigError where
// processes of the file's class have no prediction_type. What its keys mean is diffusion::make_process's.
SchedulerFile read_scheduler_file(const std::filesystem::path& folder, const std::string& prediction_type = "");

}  // namespace espalier::modelfile
