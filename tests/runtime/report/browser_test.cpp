// The report in headless Chromium: no console message (a script error and a broken content security policy are such), every chart drawn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <regex>

#include "runtime/base/files.h"
#include "runtime/report/report.h"
#include "tests/runtime/report/fixture.h"
#include "tests/runtime/report/other_program.h"

namespace espalier::report {
namespace {

constexpr int kSkipped = 77;  // as set for ctest in tests/runtime/report/CMakeLists.txt

struct Opened {
  std::string dom;
  std::vector<std::string> console;
};

std::string browser() { return find_program({"chromium", "chromium-browser", "google-chrome"}); }

Opened open_page(const std::filesystem::path& html, const std::filesystem::path& folder) {
  const auto output =
      run_program({browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions", "--disable-background-networking",
                   "--no-first-run", "--user-data-dir=" + (folder / "profile").string(), "--enable-logging=stderr", "--v=0",
                   "--virtual-time-budget=4000", "--dump-dom", "file://" + html.string()},
                  folder);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  Opened opened{output.out, {}};
  std::istringstream lines(output.err);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(":CONSOLE") != std::string::npos) opened.console.push_back(line);
  }
  return opened;
}

TEST(Browser, DrawsEveryChartWithoutAConsoleMessage) {
  const TempFolder temp;
  const auto opened = open_page(write(fixture(), temp.path() / "run"), temp.path());
  EXPECT_THAT(opened.console, ::testing::IsEmpty());
  EXPECT_THAT(opened.dom, ::testing::HasSubstr("data-charts=\"10/10\""));  // 2 plots, 4 histograms, law, 2 curves, time line
  const std::regex canvas("<canvas [^>]*data-chart=\"[a-z]+\"[^>]*data-drawn=\"[1-9][0-9]*\"");
  EXPECT_EQ(std::distance(std::sregex_iterator(opened.dom.begin(), opened.dom.end(), canvas), std::sregex_iterator()), 10);
}

// The numbers along the y axis of the chart of that kind whose data mention `name`.
std::string values_of(const std::string& dom, const std::string& name) {
  const auto title = dom.find("</span>" + name + "</figcaption>");
  const std::regex values("data-values=\"([^\"]*)\"");
  std::smatch found;
  const std::string rest = title == std::string::npos ? "" : dom.substr(title, 2000);
  return std::regex_search(rest, found, values) ? found[1].str() : "no chart";
}

// A constant was a line at 0 on an axis from -1 to 1, a curve of one point an empty chart.
TEST(Browser, ShowsAConstantAtItsValueAndALonePoint) {
  const TempFolder temp;
  exec::Record record;
  record.started = "2026-01-31T12:00:00Z";
  exec::CurveRecord rate{"graft", "learning_rate", {}, {}};
  for (int step = 1; step <= 40; ++step) {
    rate.step.push_back(step);
    rate.value.push_back(1e-4);
  }
  record.curves = {rate, {"classifier", "validation_accuracy", {300}, {0.9375}}};
  const auto opened = open_page(write(record, temp.path() / "run"), temp.path());
  EXPECT_THAT(opened.console, ::testing::IsEmpty());
  EXPECT_THAT(opened.dom, ::testing::HasSubstr("data-charts=\"2/2\""));
  const auto rates = values_of(opened.dom, "learning rate"), accuracies = values_of(opened.dom, "validation accuracy");
  EXPECT_THAT(rates, ::testing::HasSubstr("10⁻⁴")) << "the value has a tick";
  EXPECT_THAT(rates, ::testing::Not(::testing::HasSubstr("-1"))) << rates;
  EXPECT_THAT(accuracies, ::testing::MatchesRegex("0\\.[0-9 .]+")) << accuracies;
}

// What the tests above rely on: a script error, and a script the policy does not name, show as console messages.
TEST(Browser, DetectsAScriptErrorAndAForeignScript) {
  const TempFolder temp;
  auto html = read_file(write(fixture(), temp.path() / "run"));
  html.insert(html.find("</main>"), "<script>document.title = 'owned'</script>");
  std::ofstream(temp.path() / "foreign.html") << html;
  const auto foreign = open_page(temp.path() / "foreign.html", temp.path());
  EXPECT_THAT(foreign.console, ::testing::Contains(::testing::HasSubstr("Content Security Policy")));
  EXPECT_THAT(foreign.dom, ::testing::Not(::testing::HasSubstr("<title>owned")));

  std::ofstream(temp.path() / "error.html") << "<!DOCTYPE html><script>undefined_function()</script>";
  EXPECT_THAT(open_page(temp.path() / "error.html", temp.path()).console, ::testing::Contains(::testing::HasSubstr("undefined_function")));
}

}  // namespace
}  // namespace espalier::report

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (espalier::report::browser().empty()) {
    std::puts("skipped: no chromium in PATH (Debian package chromium)");
    return espalier::report::kSkipped;
  }
  return RUN_ALL_TESTS();
}
