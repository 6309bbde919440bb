#include "plugins/shared/program/child.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>

#include "plugins/shared/program/failure.h"
#include "plugins/shared/program/supervisor.h"
#include "plugins/shared/program/test_programs.h"

namespace espalier::program {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<std::string> shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

void expect_refused(const std::vector<std::string>& command, const std::string& what) {
  EXPECT_THAT([&] { const Child child(command, {}); }, ThrowsMessage<Refusal>(HasSubstr(what)));
}

// All that the program writes to its standard output before it ends.
std::string output_of(const std::vector<std::string>& command, const std::vector<std::string>& environment = {}) {
  Child child(command, environment);
  std::string text;
  const auto ended = [&] {
    char buffer[4096];
    const auto size = ::read(child.output(), buffer, sizeof buffer);
    if (size > 0) text.append(buffer, static_cast<std::size_t>(size));
    return size == 0;
  };
  EXPECT_TRUE(becomes_true(ended));
  return text;
}

TEST(Child, ThatIsNotThereIsNamed) {
  const Scratch scratch;
  expect_refused({"no-such-program-at-all"}, "'no-such-program-at-all' is not there: no folder of PATH has it (/");
  expect_refused({scratch.file("absent")}, "absent' is not there (from the folder /");
  expect_refused({scratch.file("")}, "is a folder");
}

TEST(Child, ThatCannotBeExecutedIsNamedWithTheReason) {
  const Scratch scratch;
  const auto file = scratch.file("program");
  const auto write = [&](const std::string& text) { std::ofstream(file) << text; };
  write("print('hello')\n");
  expect_refused({file}, "is not executable (Permission denied); set its mode by chmod +x, or name its interpreter");
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  expect_refused({file}, "is no program: it has neither the form of one nor a first line #!");
  write("#!/no/such/interpreter\n");
  expect_refused({file}, "the interpreter that its first line #! names is not there");
}

TEST(Child, HasTheVariablesOfTheStageInPlaceOfEspaliers) {
  ASSERT_EQ(::setenv("ESPALIER_TEST_A", "old", 1), 0);
  ASSERT_EQ(::setenv("ESPALIER_TEST_B", "kept", 1), 0);
  const auto text =
      output_of(shell("echo $ESPALIER_TEST_A $ESPALIER_TEST_B; env | grep -c ESPALIER_TEST_A="), {"ESPALIER_TEST_A=new value"});
  EXPECT_EQ(text, "new value kept\n1\n");
}

TEST(Child, IsLookedUpInItsOwnPath) {
  const Scratch scratch;
  std::filesystem::create_symlink("/bin/echo", scratch.file("my-own-echo"));
  const auto folder = std::filesystem::path(scratch.file("x")).parent_path().string();
  EXPECT_EQ(output_of({"my-own-echo", "hello  there", "$HOME"}, {"PATH=/nowhere:" + folder}), "hello  there $HOME\n");
}

TEST(Child, InheritsNoDescriptorNoMaskAndNoHandler) {
  const int open = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  ASSERT_GE(open, 0);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  auto* const handler = std::signal(SIGHUP, SIG_IGN);
  const auto text = output_of(shell("ls /proc/$$/fd; ps -o sid= -p $$ | grep -c $$; exec grep -E 'Sig(Blk|Ign)' /proc/self/status"));
  std::signal(SIGHUP, handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(open);
  EXPECT_EQ(text, "0\n1\n2\n1\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(Child, SaysHowItEnded) {
  Child exits(shell("exit 3"), {}), killed(shell("kill -9 $$"), {}), stays(shell("exec sleep 600"), {});
  EXPECT_TRUE(becomes_true([&] { return !exits.ending().empty() && !killed.ending().empty(); }));
  EXPECT_EQ(exits.ending(), "ended with exit status 3");
  EXPECT_THAT(killed.ending(), HasSubstr("was ended by signal 9 (Killed; the system sends it where memory runs out)"));
  EXPECT_EQ(stays.ending(), "");
  stays.kill("held too much");
  stays.kill("is no reason any more");
  EXPECT_THAT(stays.ending(), HasSubstr("signal 9"));
  EXPECT_EQ(stays.killed_because(), "held too much");
}

TEST(Supervisor, ReadsWhatAProgramWritesToItsStandardError) {
  Supervisor supervisor(0);
  const auto child = supervisor.start(shell("seq 100000 >&2; echo done >&2; exec sleep 600"), {});
  EXPECT_TRUE(becomes_true([&] { return child->last_lines().ends_with("99999\n100000\ndone"); })) << child->last_lines();
}

// The system ends a program with the thread that started it.
TEST(Supervisor, TakesItsProgramsWithIt) {
  auto supervisor = std::make_unique<Supervisor>(0);
  const auto child = supervisor->start(shell("exec sleep 600"), {});
  EXPECT_EQ(child->ending(), "");
  supervisor.reset();
  EXPECT_TRUE(becomes_true([&] { return !child->ending().empty(); }));
}

TEST(Supervisor, StartsNothingThatIsNotThere) {
  Supervisor supervisor(0);
  EXPECT_THROW(supervisor.start({"no-such-program-at-all"}, {}), Refusal);
}

}  // namespace
}  // namespace espalier::program
