#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "plugins/shared/program/child.h"
#include "plugins/shared/program/exchange.h"
#include "plugins/shared/program/settings.h"

namespace espalier::program {

// What a program is started for.
struct Role {
  std::string task;         // "reward" or "metric"
  std::string sample_kind;  // of the domain
};

// A program that speaks the protocol. One thread at a time.
class Program {
 public:
  Program(std::shared_ptr<Child> child, double timeout_seconds) : child_(std::move(child)), timeout_seconds_(timeout_seconds) {}

  // The first exchange. Throws Refusal where it speaks another version or is another than `identity`; Failure, Stopped.
  void greet(const Role& role, std::int64_t worker, const std::string& identity, const StageContext& stage);

  // As exchange() and send().
  Reply call(const Outgoing& message, const Due& due, const StageContext& stage) {
    return exchange(*child_, message, due, timeout_seconds_, stage);
  }
  void give(const Outgoing& message, const StageContext& stage) { send(*child_, message, timeout_seconds_, stage); }

  Child& child() { return *child_; }

 private:
  std::shared_ptr<Child> child_;
  double timeout_seconds_;
};

// Fields of an answer's header. Throw Failure where it lacks the field or has another value.
std::int64_t integer_of(const Reply& reply, const std::string& field);
void expect_integer(const Reply& reply, const std::string& field, std::int64_t value);

}  // namespace espalier::program
