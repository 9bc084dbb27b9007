// SPDX-License-Identifier: Apache-2.0
#pragma once

// Gather: one command whose keys belong to several threads. Each of them runs the part with its own
// keys, as a command; the replies to the parts become the reply to the whole.
//
//   Gather gather(command, words, owners);        // on the client's thread
//   for (unsigned thread : gather.parts()) ...    // gather.words_of(thread) is posted there
//   if (gather.add(thread, reply, ran)) ...       // the last reply: gather.assemble(into)
//
// Promise   Numbers are added up (DEL, EXISTS), elements put where their keys were (MGET); an error
//           of any part is the whole reply. Nobody stands still for it.
//           Parts run one after another, each between two other commands of its thread. Whether all
//           ran on the same side of every change of several threads' keys at once (MSET, EXEC,
//           RENAME) is known: one_moment().
// Threads   Its client's. It lives in the client's Slot and is gone with the client; replies to its
//           parts then find nobody.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "wire/byte_buffer.h"

namespace ullage::server {

class Gather {
 public:
  // What a thread tells of a part that it ran.
  struct Ran {
    std::uint64_t moment = 0;  // how many changes of several threads' keys there had been
    std::uint64_t ns = 0;      // of its time
  };

  // `owners`: the thread of each key, in the order of the keys. The words are copied.
  Gather(const Command& command, std::span<const std::string_view> words,
         std::vector<std::uint16_t> owners);

  const Command& command() const { return command_; }
  // The threads that have a part, in the order of their first keys.
  const std::vector<std::uint16_t>& parts() const { return threads_; }
  // All words of the command; and those of a part: all that are no keys, and its thread's keys.
  std::vector<std::string_view> words() const;
  std::vector<std::string_view> words_of(unsigned thread) const;
  // Takes the reply to the part of that thread. True: it was the last one.
  bool add(unsigned thread, wire::ByteBuffer& reply, Ran ran);
  // Forgets the replies: the parts are asked again.
  void again();

  bool one_moment() const;
  bool failed() const;  // the reply is an error
  std::uint64_t ns() const;
  // Bytes that assemble() will write, at most.
  std::size_t reply_bytes() const;
  void assemble(wire::ByteBuffer& into) const;

 private:
  struct Part {
    wire::ByteBuffer reply;
    Ran ran;
    bool done = false;
  };

  std::size_t part_of(unsigned thread) const;

  const Command& command_;
  wire::ByteBuffer bytes_;  // of the words, behind each other
  std::vector<std::uint32_t> lengths_;
  std::vector<std::uint16_t> owners_;  // of each key: the part it is in
  std::vector<std::uint16_t> threads_;
  std::vector<Part> parts_;  // as threads_
  std::size_t missing_ = 0;
};

}  // namespace ullage::server
