// SPDX-License-Identifier: Apache-2.0
#include "server/gather.h"

#include <algorithm>
#include <cassert>
#include <charconv>

#include "server/keys_of.h"

namespace ullage::server {
namespace {

// The number behind the first byte of a line.
std::int64_t number_of(std::string_view line) {
  std::int64_t number = 0;
  std::from_chars(line.data() + 1, line.data() + line.size(), number);
  return number;
}

// Takes a line off, with its end.
std::string_view take_line(std::string_view& bytes) {
  const std::size_t end = bytes.find("\r\n");
  assert(end != std::string_view::npos);
  const std::string_view line = bytes.substr(0, end + 2);
  bytes.remove_prefix(line.size());
  return line;
}

// Takes a value without parts of its own off: what MGET has as elements.
std::string_view take_value(std::string_view& bytes) {
  const std::string_view all = bytes;
  const std::string_view line = take_line(bytes);
  if (line.front() == '$' && line[1] != '-') {
    bytes.remove_prefix(static_cast<std::size_t>(number_of(line)) + 2);
  }
  return all.substr(0, all.size() - bytes.size());
}

void append_number(wire::ByteBuffer& into, char type, std::int64_t number) {
  char text[24];
  const char* end = std::to_chars(text, text + sizeof text, number).ptr;
  into.push_back(type);
  into.append({text, static_cast<std::size_t>(end - text)});
  into.append("\r\n");
}

}  // namespace

Gather::Gather(const Command& command, std::span<const std::string_view> words,
               std::vector<std::uint16_t> owners)
    : command_(command), owners_(std::move(owners)) {
  for (const std::string_view word : words) {
    lengths_.push_back(static_cast<std::uint32_t>(word.size()));
    bytes_.append(word);
  }
  for (std::uint16_t& owner : owners_) {
    const auto known = std::find(threads_.begin(), threads_.end(), owner);
    const auto part = static_cast<std::uint16_t>(known - threads_.begin());
    if (known == threads_.end()) threads_.push_back(owner);
    owner = part;
  }
  parts_.resize(threads_.size());
  missing_ = parts_.size();
}

std::vector<std::string_view> Gather::words() const {
  std::vector<std::string_view> words;
  const char* at = bytes_.data();
  for (const std::uint32_t length : lengths_) {
    words.emplace_back(at, length);
    at += length;
  }
  return words;
}

std::vector<std::string_view> Gather::words_of(unsigned thread) const {
  const std::size_t part = part_of(thread);
  const std::vector<std::string_view> all = words();
  std::vector<bool> others(all.size());
  std::size_t key = 0;
  for_each_key(command_, all, [&](std::size_t i) { others[i] = owners_[key++] != part; });
  std::vector<std::string_view> some;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!others[i]) some.push_back(all[i]);
  }
  return some;
}

std::size_t Gather::part_of(unsigned thread) const {
  const auto at = std::find(threads_.begin(), threads_.end(), thread);
  assert(at != threads_.end());
  return static_cast<std::size_t>(at - threads_.begin());
}

bool Gather::add(unsigned thread, wire::ByteBuffer& reply, Ran ran) {
  Part& part = parts_[part_of(thread)];
  assert(!part.done);
  part.reply.swap(reply);
  part.ran = ran;
  part.done = true;
  return --missing_ == 0;
}

void Gather::again() {
  for (Part& part : parts_) {
    part.reply.clear();
    part.done = false;
  }
  missing_ = parts_.size();
}

bool Gather::one_moment() const {
  return std::all_of(parts_.begin(), parts_.end(), [this](const Part& part) {
    return part.ran.moment == parts_.front().ran.moment;
  });
}

bool Gather::failed() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return part.reply.view().front() == '-'; });
}

std::uint64_t Gather::ns() const {
  std::uint64_t all = 0;
  for (const Part& part : parts_) all += part.ran.ns;
  return all;
}

std::size_t Gather::reply_bytes() const {
  std::size_t bytes = 32;
  for (const Part& part : parts_) bytes += part.reply.size();
  return bytes;
}

void Gather::assemble(wire::ByteBuffer& into) const {
  for (const Part& part : parts_) {
    if (part.reply.view().front() == '-') return into.append(part.reply.view());
  }
  if (parts_.front().reply.view().front() == ':') {
    std::int64_t sum = 0;
    for (const Part& part : parts_) sum += number_of(part.reply.view());
    return append_number(into, ':', sum);
  }
  std::vector<std::string_view> rest;
  for (const Part& part : parts_) {
    std::string_view reply = part.reply.view();
    take_line(reply);  // how many there are
    rest.push_back(reply);
  }
  append_number(into, '*', static_cast<std::int64_t>(owners_.size()));
  for (const std::uint16_t part : owners_) into.append(take_value(rest[part]));
}

}  // namespace ullage::server
