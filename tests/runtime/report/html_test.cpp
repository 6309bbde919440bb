#include "runtime/report/html.h"

#include <gtest/gtest.h>

#include <limits>

namespace espalier::report {
namespace {

TEST(Html, EscapesWhatCouldEndATextOrAnAttribute) {
  EXPECT_EQ(escape("<script>alert(1)</script>"), "&lt;script&gt;alert(1)&lt;/script&gt;");
  EXPECT_EQ(escape("\"&'"), "&quot;&amp;&#39;");
  EXPECT_EQ(escape("caf\xC3\xA9\n\t"), "caf\xC3\xA9\n\t");
}

TEST(Html, ReplacesControlCharacters) {
  EXPECT_EQ(escape(std::string_view("a\0b\x1b"
                                    "c",
                                    5)),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD"
            "c");
}

TEST(Html, LeavesNothingInJsonThatEndsAScript) {
  EXPECT_EQ(script_safe("[\"</script>&\"]"), "[\"\\u003c/script\\u003e\\u0026\"]");
  EXPECT_EQ(script_safe("\"\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xA6\""), "\"\\u2028\\u2029\xE2\x80\xA6\"");
}

TEST(Html, Base64GivesTheVectorsOfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

// printf alert | openssl dgst -sha256 -binary | base64
TEST(Html, HashesAScriptAsAContentSecurityPolicyDoes) {
  EXPECT_EQ(csp_hash("alert('Hello, world.');"), "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=");
}

TEST(Html, WritesNumbersForPeople) {
  EXPECT_EQ(number_text(0.83641), "0.836");
  EXPECT_EQ(number_text(0.0), "0.000");
  EXPECT_EQ(number_text(1.5e-7), "1.5e-07");
  EXPECT_EQ(number_text(std::numeric_limits<double>::quiet_NaN()), "–");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(count_text(-123456), "-123,456");
}

TEST(Html, WritesDurationsForPeople) {
  EXPECT_EQ(duration_text(0.0), "0 s");
  EXPECT_EQ(duration_text(0.0421), "42 ms");
  EXPECT_EQ(duration_text(59.94), "59.9 s");
  EXPECT_EQ(duration_text(59.96), "1 min 00 s");
  EXPECT_EQ(duration_text(201.4), "3 min 21 s");
  EXPECT_EQ(duration_text(3780.0), "1 h 03 min");
}

}  // namespace
}  // namespace espalier::report
