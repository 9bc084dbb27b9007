// SPDX-License-Identifier: Apache-2.0
#include "wire/reply_writer.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace ullage::wire {

namespace {

// A type byte, a sign, 19 digits, a line end.
constexpr std::size_t kNumberLineBytes = 24;

}  // namespace

std::size_t write_integer(char* text, std::int64_t value) {
  return static_cast<std::size_t>(std::to_chars(text, text + 20, value).ptr - text);
}

void ReplyWriter::number_line(char type, std::int64_t value) {
  char* at = out_->room(kNumberLineBytes);
  at[0] = type;
  if (value >= 0 && value < 10) {
    at[1] = static_cast<char>('0' + value);
    at[2] = '\r', at[3] = '\n';
    out_->advance(4);
    return;
  }
  std::size_t size = 1 + write_integer(at + 1, value);
  at[size++] = '\r';
  at[size++] = '\n';
  out_->advance(size);
}

void ReplyWriter::header(char type, std::size_t count) {
  number_line(type, static_cast<std::int64_t>(count));
}

void ReplyWriter::simple(std::string_view text) {
  out_->push_back('+');
  out_->append(text);
  out_->append("\r\n");
}

void ReplyWriter::error(std::string_view text) {
  out_->push_back('-');
  for (const char c : text) out_->push_back(c == '\r' || c == '\n' ? ' ' : c);
  out_->append("\r\n");
}

void ReplyWriter::integer(std::int64_t value) { number_line(':', value); }

void ReplyWriter::bulk(std::string_view text) {
  char* at = out_->room(kNumberLineBytes + text.size() + 2);
  at[0] = '$';
  std::size_t size = 1 + write_integer(at + 1, static_cast<std::int64_t>(text.size()));
  at[size++] = '\r';
  at[size++] = '\n';
  if (!text.empty()) std::memcpy(at + size, text.data(), text.size());
  size += text.size();
  at[size++] = '\r';
  at[size++] = '\n';
  out_->advance(size);
}

void ReplyWriter::bulk_integer(std::int64_t value) {
  char text[20];
  bulk({text, write_integer(text, value)});
}

void ReplyWriter::null() { raw(resp_ > 2 ? "_\r\n" : "$-1\r\n"); }

void ReplyWriter::null_array() { raw(resp_ > 2 ? "_\r\n" : "*-1\r\n"); }

void ReplyWriter::boolean(bool value) {
  if (resp_ > 2) {
    raw(value ? "#t\r\n" : "#f\r\n");
  } else {
    integer(value ? 1 : 0);
  }
}

void ReplyWriter::real(double value) {
  char text[40];
  int size;
  if (std::isinf(value)) {
    size = std::snprintf(text, sizeof text, value > 0 ? "inf" : "-inf");
  } else if (std::isnan(value)) {
    size = std::snprintf(text, sizeof text, "nan");
  } else {
    size = std::snprintf(text, sizeof text, "%.17g", value);
  }
  if (resp_ < 3) return bulk({text, static_cast<std::size_t>(size)});
  out_->push_back(',');
  out_->append({text, static_cast<std::size_t>(size)});
  out_->append("\r\n");
}

void ReplyWriter::verbatim(std::string_view text) {
  if (resp_ < 3) return bulk(text);
  number_line('=', static_cast<std::int64_t>(text.size() + 4));
  out_->append("txt:");
  out_->append(text);
  out_->append("\r\n");
}

}  // namespace ullage::wire
