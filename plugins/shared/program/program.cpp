#include "plugins/shared/program/program.h"

#include <fmt/format.h>

#include "plugins/shared/program/failure.h"

namespace espalier::program {
namespace {

const Value& field_of(const Reply& reply, const std::string& field) {
  const auto* value = reply.header.find(field);
  if (value != nullptr) return *value;
  throw Failure(fmt::format("answered {}, which has no \"{}\"", quote(to_json(reply.header)), field));
}

}  // namespace

std::int64_t integer_of(const Reply& reply, const std::string& field) {
  const auto& value = field_of(reply, field);
  if (value.is_integer()) return value.as_integer();
  throw Failure(fmt::format("answered \"{}\": {}, which must be an integer", field, quote(to_json(value))));
}

void expect_integer(const Reply& reply, const std::string& field, std::int64_t value) {
  const auto found = integer_of(reply, field);
  if (found == value) return;
  throw Failure(fmt::format("answered \"{}\": {} in `{}`, where {} is due", field, found, reply.header.at("type").as_string(), value));
}

void Program::greet(const Role& role, std::int64_t worker, const std::string& identity, const StageContext& stage) {
  const Outgoing hello(
      Value::Map{{"type", "hello"}, {"protocol", kProtocol}, {"task", role.task}, {"sample_kind", role.sample_kind}, {"worker", worker}});
  const auto ready = call(hello, {"ready"}, stage);
  if (const auto protocol = integer_of(ready, "protocol"); protocol != kProtocol) {
    throw Refusal(
        fmt::format("speaks version {} of the protocol, but this Espalier speaks version {}; install the program's side of this "
                    "version",
                    protocol, kProtocol));
  }
  const auto& found = field_of(ready, "identity");
  if (found == Value(identity)) return;
  throw Refusal(
      fmt::format("states the identity {}, but the option identity is {}; correct the option, which makes other results, or name "
                  "the program that it is of",
                  to_json(found), to_json(Value(identity))));
}

}  // namespace espalier::program
