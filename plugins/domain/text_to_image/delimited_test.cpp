#include "plugins/domain/text_to_image/delimited.h"

#include <gmock/gmock.h>

#include "runtime/base/errors.h"

namespace espalier::text_to_image {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<std::vector<std::string>> fields(const Rows& rows) {
  std::vector<std::vector<std::string>> result;
  for (const auto& row : rows.rows) result.push_back(row.fields);
  return result;
}

std::vector<std::int64_t> places(const Rows& rows) {
  std::vector<std::int64_t> result;
  for (const auto& row : rows.rows) result.push_back(row.line);
  return result;
}

TEST(Lines, EndWithLfCrLfOrCr) {
  const auto found = split_lines("a\r\nb\n\nc\rd");
  EXPECT_THAT(found.lines, ElementsAre("a", "b", "", "c", "d"));
  EXPECT_EQ(found.carriage_returns, 2);
  EXPECT_THAT(split_lines("a\n").lines, ElementsAre("a"));
  EXPECT_THAT(split_lines("a\r\n").lines, ElementsAre("a"));
  EXPECT_THAT(split_lines("\n").lines, ElementsAre(""));
  EXPECT_TRUE(split_lines("").lines.empty());
}

// The examples of RFC 4180, section 2.
TEST(Csv, ReadsTheExamplesOfRfc4180) {
  EXPECT_THAT(fields(parse_csv("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n", "x")),
              ElementsAre(ElementsAre("aaa", "bbb", "ccc"), ElementsAre("zzz", "yyy", "xxx")));
  EXPECT_THAT(fields(parse_csv("aaa,bbb,ccc\r\nzzz,yyy,xxx", "x")).size(), 2);
  EXPECT_THAT(fields(parse_csv("\"aaa\",\"b \r\nbb\",\"ccc\"\r\nzzz,yyy,xxx", "x")),
              ElementsAre(ElementsAre("aaa", "b \r\nbb", "ccc"), ElementsAre("zzz", "yyy", "xxx")));
  EXPECT_THAT(fields(parse_csv("\"aaa\",\"b\"\"bb\",\"ccc\"", "x")), ElementsAre(ElementsAre("aaa", "b\"bb", "ccc")));
}

TEST(Csv, CountsLinesInsideQuotedFields) {
  const auto found = parse_csv("a,b\n\"one\ntwo\r\nthree\",1\n\r\nx,\"\"\n", "x");
  EXPECT_THAT(fields(found), ElementsAre(ElementsAre("a", "b"), ElementsAre("one\ntwo\r\nthree", "1"), ElementsAre("x", "")));
  EXPECT_THAT(places(found), ElementsAre(1, 2, 6));
  EXPECT_EQ(found.empty_lines, 1);
  EXPECT_EQ(found.carriage_returns, 1) << "of the empty line";
}

TEST(Csv, KeepsEmptyFieldsAndMarksInsidePlainOnes) {
  EXPECT_THAT(fields(parse_csv(",a \"b\" c,\n", "x")), ElementsAre(ElementsAre("", "a \"b\" c", "")));
  EXPECT_THAT(fields(parse_csv("a,", "x")), ElementsAre(ElementsAre("a", "")));
}

TEST(Csv, RefusesAQuotedFieldWithoutItsEnd) {
  EXPECT_THAT([] { parse_csv("a,b\n1,\"two\nthree\n", "p.csv"); },
              ThrowsMessage<DataError>(HasSubstr("p.csv:2: a quoted field begins here and has no closing quotation mark")));
  EXPECT_THAT([] { parse_csv("a,b\n1,\"two\" three\n", "p.csv"); },
              ThrowsMessage<DataError>(HasSubstr("p.csv:2: a comma or the line's end comes after a closing quotation mark; found ' '")));
}

TEST(Tsv, SplitsAtTabsAlone) {
  const auto found = parse_tsv("a\tb\r\n\"G I\" x\t\n\n'y', z\t2");
  EXPECT_THAT(fields(found), ElementsAre(ElementsAre("a", "b"), ElementsAre("\"G I\" x", ""), ElementsAre("'y', z", "2")));
  EXPECT_THAT(places(found), ElementsAre(1, 2, 4));
  EXPECT_EQ(found.empty_lines, 1);
  EXPECT_EQ(found.carriage_returns, 1);
}

}  // namespace
}  // namespace espalier::text_to_image
