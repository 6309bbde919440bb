#include <gmock/gmock.h>

#include <csignal>

#include "runtime/base/errors.h"
#include "runtime/base/process_stop.h"
#include "runtime/base/progress.h"
#include "runtime/base/progress_text.h"
#include "runtime/base/source_span.h"
#include "runtime/base/stop.h"
#include "runtime/base/stop_notice.h"
#include "runtime/base/suggest.h"
#include "runtime/diffusion/step.h"

namespace espalier {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Step, AnIndexAndAFractionDiffer) {
  EXPECT_EQ(Step(std::int64_t{1}).of(25), 1);
  EXPECT_EQ(Step(1.0).of(25), 25);
  EXPECT_EQ(Step(0.25).of(25), 6);
  EXPECT_EQ(Step(0.5).of(25), 13);  // a half rounds up
  EXPECT_EQ(Step().of(25), 0);
  EXPECT_NE(Step(std::int64_t{1}), Step(1.0));
  for (const auto& step : {Step(std::int64_t{1}), Step(1.0), Step(0.25)}) EXPECT_EQ(Step::from_value(step.to_value()), step);
  EXPECT_EQ(Step(1.0).to_string(), "1.0");
}

TEST(Step, OutsideTheScheduleIsRefused) {
  EXPECT_THAT([] { Step(std::int64_t{26}).of(25); }, ThrowsMessage<ConfigError>(HasSubstr("0 to 25")));
  EXPECT_THROW(Step(1.5).of(25), ConfigError);
  EXPECT_THROW(Step(std::int64_t{-1}).of(25), ConfigError);
  EXPECT_THAT([] { Step::from_value(1.5); }, ThrowsMessage<ConfigError>(HasSubstr("1.5")));
  EXPECT_THAT([] { Step::from_value("half"); }, ThrowsMessage<ConfigError>(HasSubstr("string")));
}

TEST(Suggest, FindsTheNearestName) {
  EXPECT_EQ(nearest_name("palete", {"tolerance", "palette"}), "palette");
  EXPECT_EQ(nearest_name("gruop_by", {"k", "group_by"}), "group_by");  // a swap is one edit
  EXPECT_EQ(nearest_name("kx", {"k", "group_by"}), "k");
  EXPECT_EQ(nearest_name("banana", {"palette", "k"}), "");
  EXPECT_EQ(nearest_name("x", {"k"}), "");
  EXPECT_EQ(did_you_mean("palete", {"palette"}), "; did you mean 'palette'?");
  EXPECT_EQ(did_you_mean("banana", {"a", "k"}), "; known: a, k");
  EXPECT_EQ(did_you_mean("banana", {""}), "") << "no list without names";
  EXPECT_EQ(did_you_mean("banana", {}), "");
}

TEST(SourceSpan, ReadsAsEditorsExpect) {
  EXPECT_EQ((SourceSpan{"a.toml", 14, 3}.to_string()), "a.toml:14:3");
  EXPECT_EQ((SourceSpan{"--set", 0, 0}.to_string()), "--set");
}

TEST(Progress, ShowsCountRateAndTimeLeft) {
  const ProgressState state{"samples", 90, 200, "samples", "block 3", 12.0};
  EXPECT_EQ(progress_line(state), "samples: 90/200 samples, 7.5 samples/s, 00:15 left; block 3");
  const auto bar = progress_bar(state, 100, false);
  EXPECT_THAT(bar, HasSubstr("samples  45%|"));
  EXPECT_THAT(bar, HasSubstr("| 90/200 samples [00:12<00:15, 7.5 samples/s] block 3"));
  EXPECT_LE(bar.size(), 100u);
  EXPECT_EQ(bar.find('\033'), std::string::npos);
  EXPECT_THAT(progress_bar(state, 100, true), HasSubstr("\033[32m"));
  EXPECT_EQ(progress_bar(state, 20, false).size(), 20u);
}

TEST(Progress, ResumedWorkIsCountedButNoPartOfTheRate) {
  const ProgressState state{"training", 134, 300, "step", "resumed", 34.0, 130};
  EXPECT_EQ(progress_line(state), "training: 134/300 step, 8.50 s/step, 23:31 left; resumed");
}

TEST(Progress, ShowsNoEndWithoutATotal) {
  const ProgressState state{"reading", 3, 0, "files", "", 6.0};
  EXPECT_EQ(progress_line(state), "reading: 3 files, 2.00 s/files");
  EXPECT_EQ(progress_bar(state, 80, false), "reading 3 files [00:06<?, 2.00 s/files]");
}

TEST(Progress, OffATerminalEndsWithOneLine) {
  testing::internal::CaptureStderr();
  auto progress = make_progress();
  progress->begin("scores", 4, "samples");
  for (int i = 0; i < 4; ++i) progress->advance(1);
  progress->say("one was skipped");
  progress->end();
  const auto text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::MatchesRegex("one was skipped\nscores: 4/4 samples, [^\n]*\n"));
}

TEST(Stop, TheFirstSignalRequestsAStopAndASecondRequestToEndTakesEffectAtOnce) {
  for (const int first : {SIGINT, SIGTERM}) {
    for (const int second : {SIGINT, SIGTERM}) {
      EXPECT_EXIT(
          {
            const SignalStop stop;
            if (stop.stop_requested()) std::_Exit(1);
            std::raise(SIGUSR1);
            std::raise(SIGUSR1);  // ends nothing, however often it comes
            std::raise(first);
            std::raise(SIGUSR1);
            if (!stop.stop_requested()) std::_Exit(2);
            std::raise(second);
            std::_Exit(3);
          },
          testing::ExitedWithCode(130), "stopped at once");
    }
  }
}

TEST(Stop, EachSignalRequestsAStop) {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU}) {
    EXPECT_EXIT(
        {
          std::signal(signal, SIG_DFL);
          const SignalStop stop;
          const ProcessStop unhanded;
          if (unhanded.stop_requested()) std::_Exit(2);
          std::raise(signal);
          std::_Exit(stop.stop_requested() && unhanded.stop_requested() ? 75 : 1);
        },
        testing::ExitedWithCode(75), "");
  }
}

TEST(Stop, AHangUpThatIsIgnoredStaysSo) {
  EXPECT_EXIT(
      {
        std::signal(SIGHUP, SIG_IGN);  // nohup
        const SignalStop stop;
        std::raise(SIGHUP);
        std::_Exit(stop.stop_requested() ? 1 : 0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Stop, NamesWhatItWaitsForOnce) {
  EXPECT_EXIT(
      {
        const SignalStop stop;
        stop_waits_for("the domain");
        stop_waits_for("stage 'graft' to finish its optimizer step");
        std::raise(SIGUSR1);
        stop_waits_for("the report");
        std::raise(SIGTERM);
        std::_Exit(75);
      },
      testing::ExitedWithCode(75), "^\nstopping: waiting for stage 'graft' to finish its optimizer step; a second [^\n]*\n$");
}

TEST(Errors, CarryTheirExitCode) {
  EXPECT_EQ(static_cast<int>(ConfigError("x").code()), 2);
  EXPECT_EQ(static_cast<int>(PluginError("x").code()), 3);
  EXPECT_EQ(static_cast<int>(CacheError("x").code()), 4);
  EXPECT_EQ(static_cast<int>(StageError("x").code()), 1);
  EXPECT_EQ(static_cast<int>(Stopped("x").code()), 75);
}

}  // namespace
}  // namespace espalier
