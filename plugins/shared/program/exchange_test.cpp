#include "plugins/shared/program/exchange.h"

#include <gmock/gmock.h>

#include <chrono>
#include <iostream>

#include "plugins/shared/program/failure.h"
#include "plugins/shared/program/test_programs.h"
#include "runtime/base/errors.h"

namespace espalier::program {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<std::string> shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

// What is wrong with a program that is sent `payload_bytes` and has one number to answer with.
std::string failure_of(const std::string& script, std::size_t payload_bytes = 0, double timeout_seconds = 60.0) {
  Child child(shell(script), {});
  const std::string payload(payload_bytes, 'x');
  const StageContext stage;
  try {
    exchange(child, Outgoing(Value::Map{{"type", "score"}}, {payload}), {"scores", 8}, timeout_seconds, stage);
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "";
}

constexpr std::size_t kMoreThanAPipeHolds = std::size_t{64} << 20;

TEST(Exchange, NamesAProgramThatEndsWhereItHadToReadOrToAnswer) {
  EXPECT_EQ(failure_of("exit 3", kMoreThanAPipeHolds), "ended with exit status 3 where it had to read `score`");
  EXPECT_EQ(failure_of("head -c 30 > /dev/null; exit 4"), "ended with exit status 4 where it had to answer `score`");
  EXPECT_THAT(failure_of("head -c 30 > /dev/null; exec >&-; sleep 600"), HasSubstr("closed its standard output where it had to answer"));
}

// The sleeping child holds the standard output open.
TEST(Exchange, NoticesTheEndOfAProgramWhoseChildrenGoOn) {
  EXPECT_EQ(failure_of("head -c 30 > /dev/null; sleep 600 & exit 5"), "ended with exit status 5 where it had to answer `score`");
}

TEST(Exchange, QuotesWhatIsNoMessage) {
  EXPECT_THAT(failure_of("echo loading; sleep 600"), HasSubstr("wrote \"loading\" to its standard output"));
  EXPECT_THAT(failure_of("echo loading; exit 3"), HasSubstr("wrote \"loading\" to its standard output")) << "and not how it ended";
  EXPECT_THAT(failure_of("yes loading", kMoreThanAPipeHolds), HasSubstr("wrote \"loading\" to its standard output"));
}

TEST(Exchange, DoesNotWaitForEver) {
  EXPECT_THAT(failure_of("exec sleep 600", 0, 0.3), HasSubstr("did not answer `score` within timeout_seconds = 0.3"));
  EXPECT_THAT(failure_of("exec sleep 600", kMoreThanAPipeHolds, 0.3),
              AllOf(HasSubstr("bytes of `score` within timeout_seconds = 0.3"), HasSubstr("of the 67108897 bytes")));
}

TEST(Exchange, EndsWhenAStopIsRequested) {
  const StopsSoon stop;
  const StageContext stage{.stop = &stop};
  Child child(shell("exec sleep 600"), {});
  const Outgoing message(Value::Map{{"type", "score"}});
  EXPECT_THROW(exchange(child, message, {"scores", 8}, 60.0, stage), Stopped);
}

TEST(Exchange, OfAMessageWithoutAnAnswerTakesNone) {
  const StageContext stage;
  const std::string payload(kMoreThanAPipeHolds, 'x');
  Child reads(shell("exec cat 3>&1 > /dev/null"), {}), writes(shell("echo hello; exec cat 3>&1 > /dev/null"), {});
  const Outgoing message(Value::Map{{"type", "samples"}}, {payload});
  send(reads, message, 60.0, stage);
  send(reads, message, 60.0, stage);
  const auto sent_often = [&] {
    while (true) send(writes, message, 60.0, stage);
  };
  EXPECT_THAT(sent_often, ThrowsMessage<Failure>(HasSubstr("wrote \"hello\" to its standard output, where `samples` has no answer")));
}

// The rates are printed: a test may not depend on what else a machine does.
TEST(Exchange, CarriesImagesFast) {
  const StageContext stage;
  const std::string payload(std::size_t{1} << 29, 'x');
  const Outgoing message(Value::Map{{"type", "samples"}}, {payload});
  const auto python = "import sys\nwhile sys.stdin.buffer.read(" + std::to_string(message.bytes()) + "): pass";
  for (const auto& command : {shell("exec cat 3>&1 > /dev/null"), {"python3", "-c", python}}) {
    Child child(command, {});
    send(child, message, 60.0, stage);
    const auto begin = std::chrono::steady_clock::now();
    send(child, message, 60.0, stage);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::cout << command.front() << ": " << static_cast<double>(message.bytes()) / 1e6 / seconds.count() << " MB/s\n";
  }
}

}  // namespace
}  // namespace espalier::program
