// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReplyWriter: replies in RESP2 or RESP3, appended to a ByteBuffer.
//
//   ReplyWriter out(buffer, client.resp);
//   out.map(2);
//   out.bulk("server"), out.bulk("ullage");
//   out.bulk("proto"), out.integer(3);
//
// What RESP2 does not have becomes what Redis makes of it there: a map is an array of twice the
// length, a set an array, a double a bulk string, a boolean 0 or 1, a push an array. The caller
// writes as many elements as it promised.
//
// Cost: no allocation beyond the buffer's. Threads: one at a time.

#include <cstdint>
#include <string_view>

#include "wire/byte_buffer.h"

namespace ullage::wire {

class ReplyWriter {
 public:
  ReplyWriter(ByteBuffer& out, int resp) : out_(&out), resp_(resp) {}

  int resp() const { return resp_; }
  ByteBuffer& buffer() { return *out_; }

  void ok() { raw("+OK\r\n"); }
  void simple(std::string_view text);
  // `text` with its code: "ERR no such key". Line ends in it become spaces.
  void error(std::string_view text);
  void integer(std::int64_t value);
  void bulk(std::string_view text);
  // What comes before and, as a line end, behind a bulk string that is sent from where it lies.
  void bulk_header(std::size_t bytes) { header('$', bytes); }
  void bulk_integer(std::int64_t value);
  void null();        // "_", "$-1"
  void null_array();  // "_", "*-1"
  void boolean(bool value);
  void real(double value);
  void verbatim(std::string_view text);  // "=" with format txt, or a bulk string
  void array(std::size_t count) { header('*', count); }
  void map(std::size_t count) { resp_ > 2 ? header('%', count) : header('*', count * 2); }
  void set(std::size_t count) { header(resp_ > 2 ? '~' : '*', count); }
  void push(std::size_t count) { header(resp_ > 2 ? '>' : '*', count); }
  void attribute(std::size_t count) { header('|', count); }  // RESP3 only
  void raw(std::string_view bytes) { out_->append(bytes); }

 private:
  void header(char type, std::size_t count);
  void number_line(char type, std::int64_t value);

  ByteBuffer* out_;
  int resp_;
};

// Decimal digits of `value`; returns their count. `text` has room for 20.
std::size_t write_integer(char* text, std::int64_t value);

}  // namespace ullage::wire
