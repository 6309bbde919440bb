#include "plugins/shared/program/settings.h"

#include <gmock/gmock.h>

#include "plugins/shared/program/test_programs.h"
#include "runtime/base/errors.h"

namespace espalier::program {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

void expect_refused(const Settings& settings, const std::string& message) {
  EXPECT_THAT([&] { settings.check("reward.process"); }, ThrowsMessage<ConfigError>(HasSubstr("reward.process: " + message)));
}

TEST(Settings, ThatAreWrongAreNamed) {
  test_settings("").check("reward.process");
  auto settings = test_settings("");
  settings.command = {};
  expect_refused(settings, "command names no program");
  settings = test_settings("");
  settings.identity = "";
  expect_refused(settings, "identity is empty");
  settings = test_settings("");
  settings.send = {"png", "image", "png"};
  expect_refused(settings, "send names 'png' twice");
  for (const auto* variable : {"NAME", "=value", ""}) {
    settings = test_settings("");
    settings.environment = {"A=1", variable};
    expect_refused(settings, "environment has '" + std::string(variable) + "'; write \"NAME=value\"");
  }
  settings.environment = {"ESPALIER_PROGRAM=x"};
  expect_refused(settings, "environment sets ESPALIER_PROGRAM");
}

// The program may move or be wrapped, its numbers stay: they are of `identity` and of what is sent.
TEST(Settings, OnlyIdentityAndSendAreKeyed) {
  Settings settings;
  Schema schema;
  settings.declare(schema);
  EXPECT_TRUE(schema.read(Value::Map{{"command", Value::List{"x"}}, {"identity", "a"}, {"memory_limit", 2}}).empty());
  EXPECT_EQ(schema.values(OptionRole::keyed), Value(Value::Map{{"identity", "a"}, {"send", Value::List{}}}));
  EXPECT_EQ(schema.read(Value::Map{}).size(), 2) << "command and identity are required";
}

}  // namespace
}  // namespace espalier::program
