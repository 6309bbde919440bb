#include "plugins/shared/program/message.h"

#include <gmock/gmock.h>

#include <string>

#include "plugins/shared/program/failure.h"

namespace espalier::program {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// As docs/process_protocol.md has it, byte by byte.
std::string message(const std::string& header, const std::string& payload) {
  std::string bytes = "ESPL";
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(payload.size() >> (8 * i));
  return bytes + header + payload;
}

std::string written(const Outgoing& outgoing) {
  std::string bytes;
  for (const auto part : outgoing.parts()) bytes += part;
  return bytes;
}

// What is wrong with these bytes where `scores` of two samples is due; "" where they are right.
std::string refusal(const std::string& bytes) {
  try {
    Incoming incoming("scores", 16);
    for (const char byte : bytes) incoming.add({&byte, 1});
    return incoming.complete() ? (incoming.reply(), "") : "incomplete";
  } catch (const Failure& failure) {
    return failure.what();
  }
}

TEST(Message, IsWrittenAsThePageSays) {
  const std::string first = "abc", second, third = "de";
  const Outgoing outgoing(Value::Map{{"type", "score"}, {"count", 2}}, {first, second, third});
  EXPECT_EQ(written(outgoing), message(R"({"count": 2, "type": "score"})", "abcde"));
  EXPECT_EQ(outgoing.bytes(), written(outgoing).size());
  EXPECT_EQ(outgoing.parts()[1].data(), first.data()) << "the payload is not copied";
}

TEST(Message, IsReadInAnyPieces) {
  const auto bytes = message(R"({"type": "scores", "batch": 3})", std::string(16, 'x'));
  EXPECT_EQ(refusal(bytes), "");
  Incoming whole("scores", 16);
  whole.add(bytes);
  EXPECT_EQ(whole.reply().header.at("batch").as_integer(), 3);
  EXPECT_EQ(whole.reply().payload, std::string(16, 'x'));
  EXPECT_EQ(refusal(bytes.substr(0, bytes.size() - 1)), "incomplete");
}

TEST(Message, ThatIsNoneIsQuoted) {
  EXPECT_THAT(refusal("E"), "incomplete");
  EXPECT_THAT(refusal("ESPRESSO"), AllOf(HasSubstr("wrote \"ESPR\" to its standard output"), HasSubstr("instead of `scores`")));
  EXPECT_THAT([] { Incoming("scores", 16).add("loading \x1b[1m...\nmore"); }, ThrowsMessage<Failure>(HasSubstr("\"loading ?[1m...\"")));
}

TEST(Message, IsRefusedByTheLengthsThatItAnnounces) {
  EXPECT_THAT(refusal(message("{}", std::string(24, 'x')).substr(0, 16)),
              HasSubstr("a payload of 24 bytes, but that of `scores` has 16 here: 8 for each sample"));
  EXPECT_THAT(refusal(std::string("ESPL\0\0\0\x10", 8) + std::string(8, '\0')), HasSubstr("a header of 268435456 bytes"));
  EXPECT_THAT(refusal(std::string("ESPL\0\0\0\0", 8) + std::string(8, '\0')), HasSubstr("a header of 0 bytes"));
}

TEST(Message, WithAWrongHeaderIsRefused) {
  const std::string payload(16, 'x');
  EXPECT_THAT(refusal(message("{nan}", payload)), HasSubstr("the header: not valid JSON"));
  EXPECT_THAT(refusal(message("[]", payload)), HasSubstr("answered \"[]\", where the type \"scores\" is due"));
  EXPECT_THAT(refusal(message(R"({"type": "ready"})", payload)), HasSubstr("where the type \"scores\" is due"));
  EXPECT_THAT(refusal(message(R"({"type": "scores"})", payload) + "!"), HasSubstr("wrote \"!\" after its answer `scores`"));
}

}  // namespace
}  // namespace espalier::program
