#include "plugins/domain/text_to_image/prompt_file.h"

#include <gmock/gmock.h>

#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"

namespace espalier::text_to_image {
namespace {

using images::TempFolder;
using images::write_file;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

class PromptFile : public ::testing::Test {
 protected:
  PromptList read(const std::string& name, const std::string& bytes, const std::string& column = kPromptColumn) const {
    write_file(folder_ / name, bytes);
    return read_prompt_file(folder_ / name, column);
  }
  // The message begins with the file and the line.
  void expect_refused(const std::string& name, const std::string& bytes, const std::string& rest,
                      const std::string& column = kPromptColumn) {
    const auto start = (folder_ / name).string();
    EXPECT_THAT([&] { read(name, bytes, column); }, ThrowsMessage<DataError>(AllOf(StartsWith(start), EndsWith(rest))))
        << name << ": " << rest;
  }
  TempFolder folder_;
};

TEST_F(PromptFile, OfTextHasAPromptALine) {
  const auto list = read("a.txt", "a red car\r\n\n  two dogs \t\r\n \r\nan \"old\" map, caf\xC3\xA9");
  EXPECT_THAT(list.text, ElementsAre("a red car", "two dogs", "an \"old\" map, caf\xC3\xA9"));
  EXPECT_THAT(list.metadata, ElementsAre(Value(), Value(), Value()));
  EXPECT_EQ(list.carriage_returns, 3);
  EXPECT_EQ(list.empty_lines, 2);
  EXPECT_EQ(list.byte_order_marks, 0);
}

TEST_F(PromptFile, OfJsonLinesKeepsTheOtherKeysAsTheyAre) {
  const auto list = read("a.JSONL", R"({"tag": "counting", "n": 2, "include": [{"class": "cup"}], "prompt": " two cups "})"
                                    "\r\n\r\n"
                                    R"({"prompt": "a line\nand \"another\""})");
  EXPECT_THAT(list.text, ElementsAre("two cups", "a line\nand \"another\""));
  EXPECT_EQ(list.metadata[0], Value(Value::Map{{"tag", "counting"}, {"n", 2}, {"include", Value::List{Value::Map{{"class", "cup"}}}}}));
  EXPECT_EQ(list.metadata[1], Value());
  EXPECT_EQ(list.carriage_returns, 2);
  EXPECT_EQ(list.empty_lines, 1);
}

TEST_F(PromptFile, OfDelimitedTextKeepsTheOtherColumnsAsTexts) {
  const auto csv = read("a.csv", "id,text,category\n1,\"a cat, \"\"asleep\"\"\",animals\n2,a car,\n", "text");
  EXPECT_THAT(csv.text, ElementsAre("a cat, \"asleep\"", "a car"));
  EXPECT_EQ(csv.metadata[0], Value(Value::Map{{"id", "1"}, {"category", "animals"}}));
  EXPECT_EQ(csv.metadata[1], Value(Value::Map{{"id", "2"}, {"category", ""}}));
  const auto tsv = read("a.tsv", "prompt\tcategory\n\"Go\" in paint, red\tsigns\n");
  EXPECT_THAT(tsv.text, ElementsAre("\"Go\" in paint, red"));
  EXPECT_EQ(tsv.metadata[0].at("category"), Value("signs"));
}

TEST_F(PromptFile, PassesOverAByteOrderMark) {
  const auto csv = read("a.csv", "\xEF\xBB\xBFprompt,n\na cat,1\n");
  EXPECT_THAT(csv.text, ElementsAre("a cat"));
  EXPECT_EQ(csv.byte_order_marks, 1);
  EXPECT_THAT(read("a.txt",
                   "\xEF\xBB\xBF"
                   "a cat")
                  .text,
              ElementsAre("a cat"));
}

TEST_F(PromptFile, OfAnotherEncodingIsRefused) {
  expect_refused("a.txt", "a cat\ncaf\xE9\n", "a.txt:2: is not valid UTF-8: 'caf\xEF\xBF\xBD'; save the file as UTF-8");
  expect_refused("b.txt",
                 std::string("\xFF\xFE"
                             "a\0",
                             4),
                 "b.txt:1: begins with the byte order mark of UTF-16; save the file as UTF-8");
  expect_refused("c.csv", std::string("p\0r\0", 4), "c.csv:1: has a NUL byte, which no text has; save the file as UTF-8");
}

TEST_F(PromptFile, WithoutAPromptIsRefused) {
  expect_refused("a.txt", "", "a.txt:1: the file holds no prompt");
  expect_refused("b.txt", "\n \r\n", "b.txt:1: the file holds no prompt");
  expect_refused("c.csv", "prompt,n\n", "c.csv:1: the file holds no prompt");
  expect_refused("d.tsv", "\n", "d.tsv:1: the file holds no prompt");
  expect_refused("e.jsonl", "\xEF\xBB\xBF", "e.jsonl:1: the file holds no prompt");
}

TEST_F(PromptFile, WithAFaultyJsonLineIsRefused) {
  const std::string good = "{\"prompt\": \"a\"}\n";
  expect_refused("a.jsonl", good + "{\"promt\": \"b\"}",
                 "a.jsonl:2: no key 'prompt'; did you mean 'promt'?; prompt_column names the prompt's key");
  expect_refused("b.jsonl", good + "[1]", "b.jsonl:2: a line is an object, {\"prompt\": \"...\"}; found a list");
  expect_refused("c.jsonl", good + "{\"prompt\": 3}", "c.jsonl:2: 'prompt' is a text; found a value of type integer");
  expect_refused("d.jsonl", good + "{\"prompt\": \" \"}", "d.jsonl:2: 'prompt' is empty; a prompt has at least a word");
  EXPECT_THAT([&] { read("e.jsonl", good + "{\"prompt\": "); }, ThrowsMessage<DataError>(HasSubstr("e.jsonl:2")));
}

TEST_F(PromptFile, WithAFaultyTableIsRefused) {
  expect_refused("a.csv", "Prompt,n\na,1\n",
                 "a.csv:1: no column 'prompt'; did you mean 'Prompt'?; prompt_column names the prompt's column");
  expect_refused("b.csv", "prompt,n\na,1\n\"b\nc\",2\nd\n", "b.csv:5: the row has 1 column, the header 2");
  expect_refused("c.csv", "prompt,n\na red, green and blue car,1\n", "c.csv:2: the row has 3 columns, the header 2");
  expect_refused("d.tsv", "prompt\tn\n\t1\n", "d.tsv:2: 'prompt' is empty; a prompt has at least a word");
  expect_refused("e.csv", "prompt,n,n\na,1,2\n", "e.csv:1: two columns have the name 'n'");
  expect_refused("f.csv", "prompt,\na,1\n", "f.csv:1: column 2 of 2 has no name; the first row names the columns");
  expect_refused("g.csv", "prompt\n\"a\n", "g.csv:2: a quoted field begins here and has no closing quotation mark");
}

TEST_F(PromptFile, OfAnotherKindIsRefused) {
  expect_refused("a.json", "[]", "a.json: a file of prompts ends in .txt, .jsonl, .csv or .tsv");
  EXPECT_THROW(read_prompt_file(folder_ / "absent.txt"), DataError);
}

}  // namespace
}  // namespace espalier::text_to_image
