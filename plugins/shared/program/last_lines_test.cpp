#include "plugins/shared/program/last_lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace espalier::program {
namespace {

TEST(LastLines, KeepsTheLastTwenty) {
  LastLines lines;
  EXPECT_EQ(lines.text(), "");
  for (int i = 1; i <= 50; ++i) lines.append("line " + std::to_string(i) + "\n");
  const auto text = lines.text();
  EXPECT_TRUE(text.starts_with("line 31\n")) << text;
  EXPECT_TRUE(text.ends_with("line 50"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 19);
}

TEST(LastLines, IsBoundedWhateverIsWritten) {
  LastLines lines;
  for (int i = 0; i < 100; ++i) lines.append(std::string(100000, 'x'));
  lines.append("end");
  EXPECT_EQ(lines.text().size(), LastLines::kBytes);
  EXPECT_TRUE(lines.text().ends_with("xend"));
}

TEST(LastLines, HoldsNothingThatATerminalObeys) {
  LastLines lines;
  lines.append("10%\r20%\x1b[31m red \xff\n");
  EXPECT_EQ(lines.text(), "10%\n20%[31m red \xEF\xBF\xBD");
}

}  // namespace
}  // namespace espalier::program
