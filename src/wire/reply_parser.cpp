// SPDX-License-Identifier: Apache-2.0
#include "wire/reply_parser.h"

#include <cstdlib>

namespace ullage::wire {
namespace {

class Reader {
 public:
  Reader(std::string_view bytes, const ReplyLimits& limits) : bytes_(bytes), limits_(limits) {}

  Parsed read(Reply& reply, std::size_t depth) {
    if (depth > limits_.depth_max) return fail("nested too deeply");
    reply = {};
    std::string_view line;
    if (!take_line(line)) return Parsed::kNeedMore;
    if (line.empty()) return fail("an empty line where a type should be");
    const char type = line[0];
    line.remove_prefix(1);
    switch (type) {
      case '+':
        return text(Reply::Type::kSimple, line, reply);
      case '-':
        return text(Reply::Type::kError, line, reply);
      case '(':
        return text(Reply::Type::kBigNumber, line, reply);
      case '_':
        return Parsed::kCommand;
      case ':':
        reply.type = Reply::Type::kInteger;
        reply.text = line;
        return parse_integer(line, reply.integer) ? Parsed::kCommand : fail("not an integer");
      case '#':
        reply.type = Reply::Type::kBoolean;
        reply.integer = line == "t";
        return line == "t" || line == "f" ? Parsed::kCommand : fail("not a boolean");
      case ',':
        return real(line, reply);
      case '$':
        return bulk(Reply::Type::kBulk, line, reply);
      case '=':
        return bulk(Reply::Type::kVerbatim, line, reply);
      case '!':
        return bulk(Reply::Type::kError, line, reply);
      case '*':
        return aggregate(Reply::Type::kArray, line, 1, reply, depth);
      case '~':
        return aggregate(Reply::Type::kSet, line, 1, reply, depth);
      case '>':
        return aggregate(Reply::Type::kPush, line, 1, reply, depth);
      case '%':
        return aggregate(Reply::Type::kMap, line, 2, reply, depth);
      case '|': {  // attributes come before the reply they belong to
        Reply dropped;
        const Parsed got = aggregate(Reply::Type::kMap, line, 2, dropped, depth);
        return got == Parsed::kCommand ? read(reply, depth + 1) : got;
      }
      default:
        return fail("an unknown type");
    }
  }

  std::size_t position() const { return position_; }
  const std::string& error() const { return error_; }

 private:
  bool take_line(std::string_view& line) {
    const std::size_t end = bytes_.find("\r\n", position_);
    if (end == std::string_view::npos) return false;
    line = bytes_.substr(position_, end - position_);
    position_ = end + 2;
    return true;
  }

  Parsed fail(const char* why) {
    error_ = why;
    return Parsed::kError;
  }

  static Parsed text(Reply::Type type, std::string_view line, Reply& reply) {
    reply.type = type;
    reply.text = line;
    return Parsed::kCommand;
  }

  Parsed real(std::string_view line, Reply& reply) {
    reply.type = Reply::Type::kReal;
    reply.text = line;
    char* end = nullptr;
    reply.real = std::strtod(reply.text.c_str(), &end);
    const bool whole = !reply.text.empty() && end == reply.text.c_str() + reply.text.size();
    return whole ? Parsed::kCommand : fail("not a number");
  }

  Parsed bulk(Reply::Type type, std::string_view line, Reply& reply) {
    std::int64_t size = 0;
    if (!parse_integer(line, size) || size < -1 ||
        size > static_cast<std::int64_t>(limits_.bulk_bytes_max)) {
      return fail("not a bulk length");
    }
    if (size < 0) return Parsed::kCommand;  // RESP2's null
    const auto count = static_cast<std::size_t>(size);
    if (bytes_.size() - position_ < count + 2) return Parsed::kNeedMore;
    if (bytes_.substr(position_ + count, 2) != "\r\n") return fail("a bulk that does not end");
    std::string_view content = bytes_.substr(position_, count);
    position_ += count + 2;
    if (type == Reply::Type::kVerbatim) {
      if (content.size() < 4 || content[3] != ':') return fail("a verbatim text without format");
      content.remove_prefix(4);
    }
    if (count <= limits_.copied_bytes_max) return text(type, content, reply);
    reply.type = type;
    reply.kept = content;
    return Parsed::kCommand;
  }

  Parsed aggregate(Reply::Type type, std::string_view line, std::size_t per, Reply& reply,
                   std::size_t depth) {
    std::int64_t count = 0;
    if (!parse_integer(line, count) || count < -1 ||
        count > static_cast<std::int64_t>(limits_.elements_max)) {
      return fail("not a length");
    }
    if (count < 0) return Parsed::kCommand;
    reply.type = type;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count) * per; ++i) {
      Reply element;
      const Parsed got = read(element, depth + 1);
      if (got != Parsed::kCommand) return got;
      reply.elements.push_back(std::move(element));
    }
    return Parsed::kCommand;
  }

  std::string_view bytes_;
  ReplyLimits limits_;
  std::size_t position_ = 0;
  std::string error_;
};

}  // namespace

ReplyParse parse_reply(std::string_view bytes, const ReplyLimits& limits, Reply& reply) {
  Reader reader(bytes, limits);
  ReplyParse result;
  result.status = reader.read(reply, 0);
  result.consumed = reader.position();
  result.error = reader.error();
  return result;
}

}  // namespace ullage::wire
