#include "runtime/sdk/notes.h"

#include <gmock/gmock.h>

namespace espalier {
namespace {

struct Silent : Plugin {};

struct Talkative final : Silent, Noted {
  std::vector<std::string> notes() const override { return {"2 skipped"}; }
};

TEST(Notes, AreThoseOfAPluginThatHasSome) {
  EXPECT_THAT(notes_of(Talkative()), ::testing::ElementsAre("2 skipped"));
  EXPECT_THAT(notes_of(Silent()), ::testing::IsEmpty());
}

struct Quoting final : Silent, Noted {
  std::vector<std::string> notes() const override { return {"caf\xE9.smi: record 1", "caf\xC3\xA9.smi \"C\"\n"}; }
};

TEST(Notes, CanBeWrittenWhateverBytesTheyQuote) {
  const auto notes = notes_of(Quoting());
  EXPECT_THAT(notes, ::testing::ElementsAre("caf\xEF\xBF\xBD.smi: record 1", "caf\xC3\xA9.smi \"C\"\n"));
  EXPECT_NO_THROW(to_json(Value::List(notes.begin(), notes.end())));
}

}  // namespace
}  // namespace espalier
