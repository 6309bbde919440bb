#include "runtime/exchange/import_scores.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "lists.h"
#include "runtime/base/errors.h"
#include "tests/runtime/base/folder.h"

namespace espalier::exchange {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::NanSensitiveDoubleEq;
using ::testing::ThrowsMessage;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Manifest manifest(const std::string& kind, std::vector<ExportedSample> samples, std::int64_t count) {
  return {kind, "p", "s", Value::Map{{"set", "aa"}, {"decoder", "bb"}, {"count", count}}, std::move(samples), {}};
}

Manifest geneval_manifest() {
  const auto about = Value::Map{{"tag", "t"}, {"include", Value::List{Value::Map{{"class", "dog"}, {"count", 1}}}}};
  return manifest("geneval", geneval(list_of({"a dog", "two dogs"}, 1, {about, about})).samples, 2);
}

Manifest compbench_manifest() {
  return manifest("t2i_compbench",
                  t2i_compbench(list_of({"a", "b"}, 10, {Value::Map{{"category", "color"}}, Value::Map{{"category", "shape"}}})).samples,
                  20);
}

class Import : public ::testing::Test {
 protected:
  ResultsFile file(const std::string& name, const std::string& text, const std::string& group = "") const {
    std::filesystem::create_directories(folder_.path() / group);
    std::ofstream(folder_.path() / group / name) << text;
    return {group, folder_.path() / group / name};
  }
  Manifest compbench() const {
    auto of = compbench_manifest();
    of.folder = folder_.path();
    return of;
  }
  void refused(const Manifest& of, const ResultsFile& results, const std::string& message) const {
    EXPECT_THAT([&] { imported_scores(of, {results}); }, ThrowsMessage<DataError>(HasSubstr(message)));
  }
  TemporaryFolder folder_;
};

// Ten answers of one category, the k-th k / 10 + first.
std::string answers(double first) {
  std::string text;
  for (int k = 0; k < 10; ++k) {
    text += (k ? ", " : "") + std::string(R"({"question_id": )") + std::to_string(k) + R"(, "answer": ")" +
            std::to_string(first + k / 10.0) + "\"}";
  }
  return "[" + text + "]";
}

TEST_F(Import, ReadsAListOfAnswersOfEachCategory) {
  const auto scores = imported_scores(compbench(), {file("c.json", answers(0.0), "color"), file("s.json", answers(1.0), "shape")});
  ASSERT_EQ(scores.size(), 20U);
  for (std::size_t k = 0; k < 10; ++k) {  // by index: color and shape in turn
    EXPECT_DOUBLE_EQ(scores[2 * k], static_cast<double>(k) / 10.0);
    EXPECT_DOUBLE_EQ(scores[2 * k + 1], static_cast<double>(k) / 10.0 + 1.0);
  }
}

TEST_F(Import, ReadsVerdicts) {
  const auto scores = imported_scores(
      geneval_manifest(), {file("r.jsonl",
                                "{\"filename\": \"x\\/y\\/00001\\/samples\\/00000.png\", \"correct\": true, \"prompt\": \"two dogs\"}\n"
                                "{\"filename\": \"00000/samples/00000.png\", \"correct\": false}\n")});
  EXPECT_THAT(scores, ElementsAre(0.0, 1.0));
}

TEST_F(Import, ReadsATableOfIndices) {
  const auto of = manifest("imagefolder", {{0, "000000.png", "a"}, {2, "000002.png", "a"}, {3, "000003.png", "a"}}, 5);
  const auto scores = imported_scores(of, {file("s.csv", "index,score\r\n3,-1e-3\r\n0,\r\n2,7\r\n")});
  EXPECT_THAT(scores, ElementsAre(NanSensitiveDoubleEq(kNan), NanSensitiveDoubleEq(kNan), 7.0, -1e-3, NanSensitiveDoubleEq(kNan)));
}

TEST_F(Import, RefusesWhatDoesNotAgreeWithTheExport) {
  const auto genevals = geneval_manifest(), compbench = this->compbench();
  const std::string first = "{\"filename\": \"00000/samples/00000.png\", \"correct\": true}\n";
  refused(genevals, file("a.jsonl", first), "1 of the 2 samples of the export have no score: 1 (00001/samples/00000.png)");
  refused(genevals, file("b.jsonl", first + first), "b.jsonl:2: sample 0 has a score already, from ");
  refused(genevals, file("c.jsonl", R"({"filename": "00007/samples/00000.png", "correct": true})"), "is no image of the export");
  refused(genevals, file("d.jsonl", R"({"filename": "00000/samples/00000.png", "correct": true, "prompt": "a cat"})"),
          "was judged by the prompt \"a cat\", but the export has 'a dog' there");
  refused(genevals, file("e.jsonl", R"({"filename": "00000/samples/00000.png", "correct": 1})"), "'correct' is 1; true or false is wanted");
  refused(genevals, file("f.jsonl", R"({"correct": true})"), "has no 'filename'");
  refused(genevals, file("g.json", "[]"),
          "lists of answers (.json) are read of an export of the format t2i_compbench; this one is geneval");
  refused(compbench, file("h.json", R"([{"question_id": 10, "answer": "0.5"}])", "color"),
          "entry 1: question_id 10 is none of the export's, which are 0 to 9");
  refused(compbench, file("i.json", R"([{"question_id": 0, "answer": "nan"}])", "color"), "the score 'nan' is no finite number");
  refused(compbench, file("j.json", R"({"question_id": 0})", "color"), "is no list of");
  refused(compbench, file("k.json", answers(0.0), "color"),
          "10 of the 20 samples of the export have no score: 1 (shape/samples/b_000000.png)");
}

// Answers carry no names: two exports of one prompt list, of two models, have equal files.
TEST_F(Import, TakesAnswersOnlyFromTheCategorysOwnFolder) {
  auto of = compbench();
  refused(of, {"color", file("a.json", answers(0.0), "shape").path},
          "shape/a.json: lies outside of " + (folder_.path() / "color/").string());
  const auto elsewhere = file("b.json", answers(0.0), "color");
  std::filesystem::create_directories(folder_.path() / "color_of_another");
  std::filesystem::copy(elsewhere.path, folder_.path() / "color_of_another/b.json");
  refused(of, {"color", folder_.path() / "color_of_another/b.json"}, "lies outside of ");
  refused(of, {"color", folder_.path() / "color/../b.json"}, "lies outside of ");
  of.folder = folder_.path() / "other";
  refused(of, elsewhere, "lies outside of ");
}

TEST_F(Import, TakesVerdictsOnlyOfTheExportsOwnImages) {
  const auto of = geneval_manifest();
  const auto line = [](const std::string& metadata) {
    return to_json(Value::Map{{"filename", "00000/samples/00000.png"}, {"prompt", "a dog"}, {"correct", true}, {"metadata", metadata}}) +
           "\n";
  };
  const std::string second = "{\"filename\": \"00001/samples/00000.png\", \"correct\": false}\n";
  const auto own = to_json(Value::Map{{"prompt", "a dog"}, {kExportId, of.id()}});
  EXPECT_THAT(imported_scores(of, {file("a.jsonl", line(own) + second)}), ElementsAre(1.0, 0.0));
  const auto others = to_json(Value::Map{{"prompt", "a dog"}, {kExportId, "abc"}});
  refused(of, file("b.jsonl", line(others) + second), "b.jsonl:1: its metadata has \"abc\" as \"espalier_export\", but the export has \"");
  refused(of, file("c.jsonl", line(R"({"prompt": "a dog"})") + second), "its metadata has no \"espalier_export\", but the export has \"");
}

TEST_F(Import, RefusesAFaultyTable) {
  const auto of = manifest("imagefolder", {{0, "000000.png", "a"}}, 1);
  refused(of, file("a.csv", "0,1\n"), "a.csv:1: the header is '0,1'; index,score is wanted");
  refused(of, file("b.csv", "index,score\n1,1\n"), "b.csv:2: sample 1 is none of the export's");
  refused(of, file("c.csv", "index,score\n0,inf\n"), "c.csv:2: the score 'inf' is no finite number");
  refused(of, file("d.csv", "index,score\n0,1x\n"), "the score '1x'");
  refused(of, file("e.csv", "index,score\n0;1\n"), "is no line of the form index,score");
  refused(of, file("f.csv", ""), "is empty");
  EXPECT_THAT([&] { imported_scores(of, {file("g.txt", "")}); }, ThrowsMessage<ConfigError>(HasSubstr("its ending is none of .json")));
}

TEST_F(Import, NeedsACategoryWhereThereAreSome) {
  const auto of = compbench_manifest();
  EXPECT_EQ(results_file("shape=a=b.json", of).path, "a=b.json");
  EXPECT_EQ(results_file("shape=a=b.json", of).group, "shape");
  EXPECT_EQ(results_file("a=b.jsonl", geneval_manifest()).path, "a=b.jsonl");
  EXPECT_THAT(
      [&] { results_file("b.json", of); },
      ThrowsMessage<ConfigError>(HasSubstr("'b.json' names no category of the export; write CATEGORY=FILE, with one of: color, shape")));
}

TEST_F(Import, AManifestReadsAsItWasWritten) {
  const auto of = compbench_manifest();
  std::ofstream(folder_.path() / kManifestFile) << of.to_text();
  const auto again = read_manifest(folder_.path());
  EXPECT_EQ(again.to_text(), of.to_text());
  EXPECT_EQ(again.samples[19].id, 9);
  EXPECT_THAT([&] { read_manifest(folder_.path() / "nowhere"); }, ThrowsMessage<ConfigError>(HasSubstr("is no export")));
  std::ofstream(folder_.path() / kManifestFile) << "{\"format\": \"other\"}";
  EXPECT_THAT([&] { read_manifest(folder_.path()); }, ThrowsMessage<DataError>(HasSubstr("its format is not \"espalier export 1\"")));
}

TEST_F(Import, TheFileOfScoresHasOneEntryATrajectory) {
  const auto of = manifest("imagefolder", {{0, "000000.png", "a"}}, 2);
  const auto text = scores_text(of, {{"", "x/a.csv"}}, {0.1, kNan});
  EXPECT_EQ(
      text,
      "{\"format\": \"espalier scores 1\", \"results\": [\"a.csv\"], \"scored_set\": {\"count\": 2, \"decoder\": \"bb\", \"set\": \"aa\"}, "
      "\"scores\": [0.1, null], \"stage\": \"s\"}\n");
}

}  // namespace
}  // namespace espalier::exchange
