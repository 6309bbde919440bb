#include "runtime/sdk/notes.h"

#include <gmock/gmock.h>

namespace espalier {
namespace {

struct Silent : Plugin {};

struct Talkative final : Silent, Noted {
  std::vector<std::string> notes() const override { return {"2 skipped"}; }
};

TEST(Notes, AreThoseOfWhoHasSome) {
  EXPECT_THAT(notes_of(Talkative()), ::testing::ElementsAre("2 skipped"));
  EXPECT_THAT(notes_of(Silent()), ::testing::IsEmpty());
}

}  // namespace
}  // namespace espalier
