#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sdk/schema.h"

namespace espalier::program {

// The options that reward.process and metric.process share.
struct Settings {
  std::vector<std::string> command;
  std::string identity;
  std::vector<std::string> send;
  std::int64_t workers = 1;  // declared by the reward alone
  double timeout_seconds = 600.0;
  std::vector<std::string> environment;
  double memory_limit = 0.0;  // GiB; 0: none
  std::int64_t restart_limit = 3;

  void declare(Schema& schema);
  // `who`: "reward.process". Throws ConfigError. Looks for no program: what the cache holds may be read where there is none.
  void check(const std::string& who) const;
};

}  // namespace espalier::program
