#pragma once

#include <string>

#include "runtime/sdk/plugin.h"

// A small plugin of each kind, correct or with one named flaw: the conformance suites must accept the first and detect each flaw. `flaw`
// is "" for the correct plugin.
namespace espalier::conformance {

PluginEntry filter_with(const std::string& flaw);           // the better half of all scores
PluginEntry key_filter_with(const std::string& flaw);       // one sample of each canonical key
PluginEntry reward_with(const std::string& flaw);           // mean brightness
PluginEntry metric_with(const std::string& flaw);           // mean score
PluginEntry sampler_with(const std::string& flaw);          // DDIM
PluginEntry trainer_with(const std::string& flaw);          // SGD with momentum on unet.scale
PluginEntry noise_corrector_with(const std::string& flaw);  // Picard iteration
PluginEntry domain_with(const std::string& flaw);           // the toy domain

}  // namespace espalier::conformance
