// SPDX-License-Identifier: Apache-2.0
//
// Who may complete a live file: its recorder, or finish(), and never both.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>

#include "launch/collector.h"
#include "launch/launch.h"
#include "launch/live_archiver.h"
#include "launch/live_hold.h"
#include "record/recording_builder.h"

namespace ullage::launch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class FinishTest : public testing::Test {
 protected:
  static constexpr uint32_t kPid = 2147483600;  // beyond any pid

  void SetUp() override {
    std::string name = fs::temp_directory_path() / "ullage_finish.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    record::RecordingBuilder b;
    b.header().pid = kPid;
    b.header().run_id = kRun;
    b.header().state = static_cast<uint32_t>(record::State::kEnded);
    b.stream(1).alloc(0x1000, 64, b.stack({0x401000}));
    ASSERT_TRUE(b.write(live()));
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string live() const { return folder_ + "/out.1234." + std::to_string(kPid) + ".0.live"; }
  std::string finished() const { return folder_ + "/out.1234." + std::to_string(kPid) + ".0.ulg"; }
  Collector collector() const {
    return {{folder_ + "/out.1234", folder_, folder_ + "/out", folder_ + "/out.ulg"}, {}};
  }
  void expect_left_alone() const {
    const Result<LaunchReport> r = finish(live());
    ASSERT_TRUE(r.ok()) << r.error().message;
    EXPECT_EQ(r->processes[0].outcome, Outcome::kStillRunning);
    EXPECT_THAT(r->notes, testing::ElementsAre(HasSubstr("follows it still runs")));
    EXPECT_TRUE(fs::exists(live()));
    EXPECT_FALSE(fs::exists(finished()));
  }
  void expect_finished() const {
    const Result<LaunchReport> r = finish(live());
    ASSERT_TRUE(r.ok()) << r.error().message;
    EXPECT_EQ(r->processes[0].path, finished());
    EXPECT_FALSE(fs::exists(live()));
  }

  // Of this process alone: tests run beside each other, and a mark is seen by all of them.
  const uint64_t kRun = (0xabcdefull << 40) + static_cast<uint64_t>(getpid()) * 16;
  std::string folder_;
};

TEST_F(FinishTest, LeavesAFileToARecorderThatHasNotOpenedItYet) {
  auto recorder = std::make_unique<RunMark>(kRun);
  const RunMark another(kRun + 1);
  expect_left_alone();
  recorder.reset();
  expect_finished();
}

TEST_F(FinishTest, LeavesAFileToWhoeverHoldsIt) {
  {
    const LiveHold other(live());
    ASSERT_EQ(other.got(), LiveHold::Got::kMine);
    expect_left_alone();
  }
  expect_finished();
}

TEST_F(FinishTest, OpensForWritingAsLocksOverANetworkNeedIt) {
  const LiveHold hold(live());
  EXPECT_EQ(fcntl(hold.fd(), F_GETFL) & O_ACCMODE, O_RDWR);
}

TEST_F(FinishTest, AFileThatIsNotThereIsGone) {
  EXPECT_EQ(LiveHold(folder_ + "/none.live").got(), LiveHold::Got::kGone);
  fs::create_symlink(live(), folder_ + "/link.live");
  EXPECT_EQ(LiveHold(folder_ + "/link.live").got(), LiveHold::Got::kRefused);
}

TEST_F(FinishTest, ARecorderTriesAgainWhatSomebodyHeld) {
  Collector recorder = collector();
  auto other = std::make_unique<LiveHold>(live());
  std::string error;
  EXPECT_EQ(LiveArchiver::open(live(), {}, error), nullptr);
  EXPECT_THAT(error, HasSubstr("the other `ullage record`"));
  recorder.poll(false);
  recorder.poll(false);
  EXPECT_TRUE(fs::exists(live())) << "taken from whoever has it";
  other.reset();
  recorder.poll(false);
  EXPECT_FALSE(fs::exists(live()));
  const auto processes = recorder.take_processes();
  ASSERT_EQ(processes.size(), 1u);
  EXPECT_EQ(processes[0].path, folder_ + "/out." + std::to_string(kPid) + ".ulg");
  EXPECT_THAT(recorder.take_problems(), testing::IsEmpty());
}

TEST_F(FinishTest, ARecorderThatEndsFirstSaysWhoHasTheFile) {
  Collector recorder = collector();
  {
    const LiveHold other(live());
    recorder.finish();
  }
  EXPECT_THAT(recorder.take_problems(),
              testing::ElementsAre(HasSubstr("the other `ullage record`")));
  expect_finished();
}

TEST_F(FinishTest, ARecorderForgetsWhatSomebodyElseHasCompleted) {
  Collector recorder = collector();
  {
    const LiveHold other(live());
    recorder.poll(false);
  }
  expect_finished();
  recorder.finish();
  EXPECT_THAT(recorder.take_problems(), testing::IsEmpty());
  EXPECT_THAT(recorder.take_processes(), testing::IsEmpty());
}

}  // namespace
}  // namespace ullage::launch
