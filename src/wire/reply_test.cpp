// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <limits>

#include "wire/reply_parser.h"
#include "wire/reply_writer.h"

namespace ullage::wire {
namespace {

std::string written(int resp, void (*write)(ReplyWriter&)) {
  ByteBuffer buffer;
  ReplyWriter out(buffer, resp);
  write(out);
  return std::string(buffer.view());
}

Reply parsed(const std::string& bytes) {
  Reply reply;
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {  // no prefix is a reply
    EXPECT_EQ(parse_reply(std::string_view(bytes).substr(0, cut), {}, reply).status,
              Parsed::kNeedMore);
  }
  const ReplyParse got = parse_reply(bytes, {}, reply);
  EXPECT_EQ(got.status, Parsed::kCommand) << bytes << got.error;
  EXPECT_EQ(got.consumed, bytes.size());
  return reply;
}

TEST(ReplyWriter, WritesWhatEachProtocolHas) {
  const auto everything = [](ReplyWriter& out) {
    out.map(1), out.bulk("a"), out.integer(-12);
    out.set(1), out.null();
    out.push(1), out.boolean(true);
    out.real(0.5), out.verbatim("txt"), out.null_array();
    out.ok(), out.error("ERR a\r\nb"), out.bulk_integer(std::numeric_limits<std::int64_t>::min());
  };
  EXPECT_EQ(written(2, everything),
            "*2\r\n$1\r\na\r\n:-12\r\n*1\r\n$-1\r\n*1\r\n:1\r\n$3\r\n0.5\r\n$3\r\ntxt\r\n*-1\r\n"
            "+OK\r\n-ERR a  b\r\n$20\r\n-9223372036854775808\r\n");
  EXPECT_EQ(written(3, everything),
            "%1\r\n$1\r\na\r\n:-12\r\n~1\r\n_\r\n>1\r\n#t\r\n,0.5\r\n=7\r\ntxt:txt\r\n_\r\n"
            "+OK\r\n-ERR a  b\r\n$20\r\n-9223372036854775808\r\n");
}

TEST(ReplyParser, ReadsATreeAndWaitsForItsEnd) {
  const Reply reply = parsed("*3\r\n%1\r\n$1\r\nk\r\n~1\r\n,1.5\r\n#t\r\n=7\r\ntxt:abc\r\n");
  ASSERT_EQ(reply.elements.size(), 3u);
  EXPECT_EQ(reply.elements[0].type, Reply::Type::kMap);
  EXPECT_EQ(reply.elements[0].elements[1].elements[0].real, 1.5);
  EXPECT_EQ(reply.elements[1].integer, 1);
  EXPECT_EQ(reply.elements[2].text, "abc");
  EXPECT_EQ(parsed("$-1\r\n").type, Reply::Type::kNull);
  EXPECT_EQ(parsed("|1\r\n+ttl\r\n:3\r\n:7\r\n").integer, 7);
}

TEST(ReplyParser, RefusesWhatNoServerSends) {
  Reply reply;
  for (const char* bytes : {"\r\n", "?\r\n", ":x\r\n", "#x\r\n", ",x\r\n", "$-2\r\n",
                            "*9999999\r\n", "$1\r\nabc\r\n", "=2\r\nab\r\n"}) {
    EXPECT_EQ(parse_reply(bytes, {}, reply).status, Parsed::kError) << bytes;
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "*1\r\n";
  EXPECT_EQ(parse_reply(deep, {}, reply).status, Parsed::kError);
}

}  // namespace
}  // namespace ullage::wire
