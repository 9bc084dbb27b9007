// SPDX-License-Identifier: Apache-2.0
#include "agent/session.h"

#include <gtest/gtest.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/output.h"
#include "record/event.h"

namespace ullage::agent {
namespace {

namespace fs = std::filesystem;

// Each test records in a process of its own: a session is one.
class SessionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "ullage_session.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  template <class Body>
  void in_a_process(Body body) {
    const pid_t child = fork();
    if (child == 0) {
      drop_output();
      reset_writers();
      g_config = Config{};
      g_config.present = true;
      strcpy(g_config.prefix, (folder_ / "out").c_str());
      if (!start_recording()) _exit(1);
      body();
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }

  struct Read {
    int allocations = 0, others = 0, damaged = 0;
    std::vector<std::string> names;
  };
  Read read() const {
    Read r;
    for (const auto& file : fs::directory_iterator(folder_)) {
      std::ifstream in(file.path(), std::ios::binary);
      const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
      for (size_t at = record::kFileHeaderBytes; at < bytes.size(); at += record::kPageBytes) {
        record::SegmentHeader h;
        memcpy(&h, bytes.data() + at, sizeof h);
        if (h.magic != record::kSegmentMagic || h.offset != at) continue;
        if (h.kind != static_cast<uint16_t>(record::Kind::kEvents)) continue;
        const auto* payload = reinterpret_cast<const uint8_t*>(bytes.data() + at + sizeof h);
        record::EventDecoder decoder(h, payload, h.payload_bytes, kTickShift);
        for (record::Event e; decoder.next(e);) {
          if (e.tag == record::Tag::kThreadName) {
            r.names.emplace_back(e.name, e.name_bytes);
          } else {
            ++(e.tag == record::Tag::kAlloc && e.address == kBlock ? r.allocations : r.others);
          }
        }
        r.damaged += decoder.damaged();
      }
    }
    return r;
  }

  static constexpr uintptr_t kBlock = 0x12340;
  fs::path folder_;
};

// As a handler finds it: operands are there, and the tag that makes them an event is not.
void write_half_an_event(Writer* w) {
  auto* payload = reinterpret_cast<uint8_t*>(w->segment + 1);
  uint32_t at = w->segment->payload_bytes;
  while (at > 0 && payload[at - 1] == 0) --at;
  memset(payload + at + 1, 0x81, 60);
}

TEST_F(SessionTest, AProcessThatEndsInAHandlerInsideTheAgentLeavesNoHalfEventBehindItsNames) {
  in_a_process([] {
    prctl(PR_SET_NAME, "the-main-one");
    note_second_thread();
    Writer* w = enter();
    if (w == nullptr) _exit(2);
    w->events.alloc(record::Tag::kAlloc, g_output.now(), kBlock, 100, 1);
    leave();
    if (enter() != w) _exit(3);
    write_half_an_event(w);
    process_ends();
  });
  const Read r = read();
  EXPECT_EQ(r.allocations, 1);
  EXPECT_EQ(r.others, 0) << "events that nobody wrote";
  EXPECT_EQ(r.damaged, 0);
  EXPECT_EQ(r.names, std::vector<std::string>{"the-main-one"});
}

}  // namespace
}  // namespace ullage::agent
