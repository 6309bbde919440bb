#pragma once

#include <stdexcept>
#include <string>

// Why there is no answer. The text goes on from "the program".
namespace espalier::program {

// What a fresh program may do right: this one is killed, and its work is given to another one once.
struct Failure : std::runtime_error {
  explicit Failure(const std::string& what) : std::runtime_error(what) {}
};

// What a fresh program would do again: it cannot be started, or is not the one that the stage names.
struct Refusal : std::runtime_error {
  explicit Refusal(const std::string& what) : std::runtime_error(what) {}
};

}  // namespace espalier::program
