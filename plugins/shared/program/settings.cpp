#include "plugins/shared/program/settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/text.h"

namespace espalier::program {
namespace {

void check_words(const std::string& who, const char* option, const std::vector<std::string>& words) {
  for (const auto& word : words) {
    if (word.find('\0') != std::string::npos) throw ConfigError(fmt::format("{}: {} has a text with a NUL; leave it out", who, option));
  }
}

void check_environment(const std::string& who, const std::vector<std::string>& environment) {
  check_words(who, "environment", environment);
  for (const auto& variable : environment) {
    const auto name = variable.substr(0, variable.find('='));
    if (name.empty() || name.size() == variable.size()) {
      throw ConfigError(fmt::format("{}: environment has '{}'; write \"NAME=value\"", who, variable));
    }
    if (name == "ESPALIER_PROGRAM") {
      throw ConfigError(who + ": environment sets ESPALIER_PROGRAM, by which Espalier finds the program's children; leave it out");
    }
  }
}

}  // namespace

void Settings::declare(Schema& schema) {
  schema
      .strings("command", command,
               "The program and its arguments, as they are: no shell reads them. Whoever changes the program's numbers changes identity.")
      .required()
      .operational();
  schema
      .text(
          "identity", identity,
          "What the program's numbers are of (\"aesthetic 2.5, ViT-L/14\"): the program must state the same, and another text makes other "
          "results.")
      .required();
  schema.strings("send", send,
                 "What the program is sent of each sample: names of its tensors and strings, png (drawn), or a file of the domain "
                 "(molecules.sdf, layouts.jsonl). Empty: all tensors and strings.");
  schema.number("timeout_seconds", timeout_seconds, "Longest wait for an answer, the first of which comes when the program has loaded.")
      .above(0.0)
      .at_most(1e9)
      .operational();
  schema.strings("environment", environment, "Variables of the program's environment besides Espalier's own, each \"NAME=value\".")
      .operational();
  schema
      .number("memory_limit", memory_limit,
              "GiB of memory that a program and its children may hold together before they are ended; 0: as much as there is.")
      .at_least(0.0)
      .at_most(1e6)
      .operational();
  schema.integer("restart_limit", restart_limit, "How many times programs may be started anew after failures.")
      .at_least(0)
      .at_most(1e6)
      .operational();
}

void Settings::check(const std::string& who) const {
  if (command.empty() || command.front().empty()) {
    throw ConfigError(who + ": command names no program; write [\"program\", \"argument\", ...]");
  }
  check_words(who, "command", command);
  if (identity.empty()) throw ConfigError(who + ": identity is empty; write what the program's `ready` states");
  if (!is_utf8(identity)) throw ConfigError(who + ": identity is not valid UTF-8");
  for (auto name = send.begin(); name != send.end(); ++name) {
    if (std::find(send.begin(), name, *name) != name)
      throw ConfigError(fmt::format("{}: send names '{}' twice; once is enough", who, *name));
  }
  check_environment(who, environment);
}

}  // namespace espalier::program
